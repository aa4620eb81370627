"""Scores: how old their data are, and which are stale."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from services.care.worklist.scores import DatedScore, FeatureValue, Score, from_planning
from services.planning.schema import AnyScore
from tests.support.worklist_world import fallback, not_scored, scored

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


EVERY = {"encounter": "v1-4bf8edc5c7e17", "rank": 1, "freshness_hours": 2.5, "record": 17}
FEATURES = (
    FeatureValue(name="age", text="age in years", value=70, unit="years"),
    FeatureValue(name="sodium_last", text="last sodium", value=139, unit="mmol/L", imputed=True),
)


def answered(content: dict[str, Any]) -> Score:
    answer: AnyScore = TypeAdapter(AnyScore).validate_python(EVERY | content)
    return from_planning(answer, lace=8, features=FEATURES)


def test_a_score_of_planning_keeps_what_the_page_shows() -> None:
    score = answered(
        {
            "status": "scored",
            "risk": 0.3,
            "decision": "high",
            "action": "call within two days",
            "reasons": [{"feature": "age", "text": "age: 70, raises the risk", "value": 70, "effect": "raises"}],
            "warnings": ["age is outside of the training data"],
            "release": {
                "model": "readmission-risk-v1",
                "version": "v2",
                "digest": "d" * 64,
                "preprocessing": "e" * 64,
                "schema_version": 3,
                "evaluated": False,
                "caution": "not evaluated",
            },
            "threshold": {
                "band": "high",
                "risk_from": 0.2,
                "approved_by": [{"kind": "ethics", "role": "chair", "name": "Jane Doe"}],
            },
        }
    )
    assert (score.risk, score.lace, score.threshold, score.record) == (0.3, 8, 0.2, 17)
    assert score.cautions == ("not evaluated", "age is outside of the training data")
    assert score.threshold_approved_by == ("Jane Doe (ethics)",)
    assert score.missing == ("last sodium",)


def test_a_rank_by_lace_has_no_risk_and_no_score_has_neither() -> None:
    ranked = answered(
        {
            "status": "fallback",
            "lace": 11,
            "lace_parts": None,
            "fallback_reason": "model-slow",
            "approximations": [],
        }
    )
    assert (ranked.risk, ranked.lace, ranked.fallback_reason) == (None, 11, "model-slow")
    unknown = answered(
        {
            "status": "not-scored",
            "not_scored_reason": "features-missing",
            "missing": ["age"],
            "fallback_reason": None,
        }
    )
    assert (unknown.risk, unknown.lace, unknown.missing) == (None, None, ("age",))
