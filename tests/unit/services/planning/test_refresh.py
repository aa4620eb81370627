"""Repeated work goes on after a failure, and ends when it is told to."""

import threading

import pytest

from services.planning.refresh import Refresh


def test_each_round_calls_every_function(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[str] = []
    twice = threading.Event()

    def fails() -> None:
        calls.append("first")
        raise ValueError("Erika Mustermann")

    def counts() -> None:
        calls.append("second")
        if calls.count("second") > 1:
            twice.set()

    refresh = Refresh([fails, counts], interval=0.001)
    refresh.start()
    assert calls[:2] == ["first", "second"]
    assert twice.wait(30)
    refresh.stop()
    assert "ValueError" in caplog.text
    assert "Mustermann" not in caplog.text


def test_it_does_not_repeat_after_its_end() -> None:
    calls: list[int] = []
    refresh = Refresh([lambda: calls.append(1)], interval=0.001)
    refresh.stop()
    refresh.start()
    refresh._thread.join(30)
    assert calls == [1]
