import ssl

import pytest

from bench.load.processor_time import Usage
from bench.load.rows import Measured, above, faults
from bench.load.sender import Answer, Target
from bench.load.targets import Side


def measured(*waits: float, status: int = 200) -> Measured:
    answers = tuple(Answer(place / 2, wait, status) for place, wait in enumerate(waits))
    return Measured("planning", 2, len(waits) / 2, (answers,), Usage({"planning": 8.0}))


def test_a_row_counts_each_request_once() -> None:
    row = Measured(
        "planning", 1, 5, ((Answer(0, 1, 200), Answer(1, 1, 429)), (Answer(0, 1, 503), Answer(1, 9, 0))), Usage()
    )
    assert (len(row.all), row.accepted, row.refused, row.failed) == (4, 1, 2, 1)
    assert row.blocks == [[1]]


def test_processor_time_is_for_each_request_that_was_sent() -> None:
    assert measured(1, 2, 3, 4).each.processor == {"planning": 2}


def test_nothing_answered_has_no_wait() -> None:
    row = measured(1, 2, status=503)
    assert row.wait(99) is None
    assert row.refusal_wait(99) == 2
    assert above(row, measured(1), 50) is None


def test_slow_answers_are_a_share_of_those_that_were_answered() -> None:
    assert measured(10, 60, 50, 51).over(50) == 0.5
    assert measured(10, 60, status=503).over(50) == 0


def test_a_wait_has_an_interval() -> None:
    wait = measured(1, 2, 3, 4).wait(50)
    assert wait is not None
    assert wait.low <= wait.value == 2 <= wait.high
    beyond = above(measured(5, 5), measured(1, 1), 50)
    assert beyond is not None
    assert beyond.value == pytest.approx(4)


SCORES = Side("planning", Target("https://127.0.0.1", ssl.create_default_context()), lambda _: [], "POST /v1/scores")


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([Answer(0, 1, 200, 7), Answer(1, 1, 503, 8)], []),
        ([Answer(0, 1, 200, None)], ["planning: 200 names no record"]),
        ([Answer(0, 1, 429, None), Answer(1, 1, 0, None)], []),
        ([Answer(0, 1, 200, 7), Answer(1, 1, 200, 7)], ["planning: 200 has no record of its own"]),
        ([Answer(0, 1, 200, 10)], ["planning: 200 has no record of its own"]),
        ([Answer(0, 1, 200, 8)], ["planning: 200 has the record of another answer"]),
        ([Answer(0, 1, 200, 9)], ["planning: 200 has the record of another answer"]),
    ],
)
def test_each_answer_has_a_record_of_its_own(answers: list[Answer], says: list[str]) -> None:
    records = {7: ("POST /v1/scores", 200), 8: ("POST /v1/scores", 503), 9: ("POST /v1/feedback", 200)}
    assert faults(SCORES, [answers], records) == says
