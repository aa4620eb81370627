import pytest

from bench.load.sender import Answer, by_second, recovered


def answers(*statuses: int, milliseconds: float = 1.0) -> list[Answer]:
    return [Answer(due / 4, milliseconds, status) for due, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("status", "accepted", "refused"), [(200, 1, 0), (429, 0, 1), (503, 0, 1), (500, 0, 0), (0, 0, 0)]
)
def test_an_answer_is_accepted_refused_or_failed(status: int, accepted: bool, refused: bool) -> None:
    one = Answer(0, 1, status)
    assert (one.accepted, one.refused) == (accepted, refused)


def test_waits_are_of_answered_requests_by_the_second_in_which_they_were_due() -> None:
    assert by_second(answers(200, 200, 503, 0, 500, 429, 200, 200, 429)) == [[1, 1], [1, 1]]


def test_a_server_has_recovered_when_requests_in_a_row_are_answered_in_time() -> None:
    assert recovered(answers(200, 503, 200, 200, 200), 50, 3) == 0.5
    assert recovered(answers(200, 200, 503, 200, 200), 50, 3) is None
    assert recovered(answers(200, 200, 200, milliseconds=51), 50, 3) is None
