import logging

import pytest
from sqlalchemy.exc import OperationalError

from services.care.background import Background, Task


def test_each_task_runs_when_it_is_due() -> None:
    ran: list[str] = []
    often, seldom = Task("a", 5, lambda: ran.append("a")), Task("b", 20, lambda: ran.append("b"))
    background = Background([often, seldom])
    for now in (0, 1, 5, 9, 10, 20):
        background.round(now)
    assert ran == ["a", "b", "a", "a", "a", "b"]


@pytest.mark.parametrize(
    "fault", [OperationalError("select 'Quackenbush'", {}, Exception("x")), ValueError("Quackenbush")]
)
def test_a_task_that_fails_is_tried_again_and_its_words_are_not_logged(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[int] = []

    def fails() -> None:
        ran.append(1)
        raise fault

    background = Background([Task("Delivery", 5, fails), Task("Other", 5, lambda: ran.append(2))])
    with caplog.at_level(logging.ERROR):
        background.round(0)
        background.round(5)
    assert ran == [1, 2, 1, 2]
    assert "Delivery" in caplog.text
    assert "Quackenbush" not in caplog.text


def test_it_stops() -> None:
    background = Background([Task("a", 60, lambda: None)], poll_seconds=60)
    background.start()
    background.stop()
    ran: list[int] = []
    stopped = Background([Task("a", 0, lambda: ran.append(1))])
    stopped._stop.set()
    stopped.round(0)
    assert ran == []
