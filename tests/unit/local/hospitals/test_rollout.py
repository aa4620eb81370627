"""The result of ``make up``: whether each hospital with an EHR reached its model."""

import pytest

from local.errors import UserError
from local.hospitals.discharge import Card
from local.hospitals.rollout import HospitalSummary, Summary, require_scores


def _summary(**cards: Card | None) -> Summary:
    return Summary({}, tuple(HospitalSummary(name, "v1@0", "https://x", {}, card) for name, card in cards.items()))


@pytest.mark.parametrize(
    "summary", ["Readmission within 30 days: 27% (high)", "Readmission risk not computed: the stay is too short"]
)
def test_a_card_of_the_model_or_of_a_stay_without_score_passes(summary: str) -> None:
    require_scores(_summary(north=Card({"summary": summary}), south=None))


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (Card({}, "The gateway answered 500."), "north: The gateway answered 500"),
        (Card({"summary": "No model score, ranked by LACE 4 of 19: x"}), "north: No model score, ranked by LACE 4"),
        (Card({"summary": "Readmission risk not available: x"}), "north: Readmission risk not available"),
    ],
)
def test_a_hospital_whose_discharge_reached_no_model_fails_with_the_reason(card: Card, reason: str) -> None:
    with pytest.raises(UserError) as error:
        require_scores(_summary(south=Card({"summary": "Readmission within 30 days: 27% (high)"}), north=card))
    assert reason in str(error.value)
    assert "south" not in str(error.value)
    assert "make status" in str(error.value)
