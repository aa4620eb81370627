"""Scores: how old their data are, and which are stale."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from services.care.worklist.scores import DatedScore, Score
from tests.support.care.worklist_world import fallback, not_scored, scored

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("score", "later", "stale"),
    [
        (scored(0.2, freshness=3), 20, False),
        (scored(0.2, freshness=3), 22, True),
        (scored(0.2).model_copy(update={"freshness_hours": None}), 0, True),
        (fallback(9), 0, False),
        (fallback(9), 23, True),
        (not_scored(), 99, False),
    ],
)
def test_data_grow_old_after_the_score(score: Score, later: float, stale: bool) -> None:
    assert DatedScore(AT, score).is_stale(AT + timedelta(hours=later), 24) is stale


@pytest.mark.parametrize(
    "wrong",
    [
        {"risk": 1.1},
        {"risk": -0.1},
        {"return_days": 0},
        {"lace": 20},
        {"record": -1},
        {"freshness_hours": -1},
        {"status": "x"},
        {"name": "x"},
    ],
)
def test_a_score_out_of_its_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Score.model_validate(scored(0.2).model_dump() | wrong)
