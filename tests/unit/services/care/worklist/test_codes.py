"""The table of codes."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from services.care.worklist import codes, words
from services.care.worklist.scores import DatedScore, FeatureValue
from services.planning import feedback
from services.planning.schema import NotScored
from tests.support.care.worklist_world import fallback, not_scored
from tests.unit.services.care.worklist.test_scores import AT


def test_every_reason_of_an_override_has_one_direction() -> None:
    table = codes.read()
    assert set(table.overrides) == {"raised", "lowered"}
    reasons = {reason: direction for direction in table.overrides for reason in table.reasons(direction)}
    assert reasons == {code: row.direction for code, row in feedback.overrides().items()}
    assert {reason: table.direction(reason) for reason in reasons} == reasons
    assert table.words("override", "frailty") == "Frailty or function that the data do not show"
    assert table.direction("completed") is None
    assert table.direction("accepted") is None


def test_the_table_has_the_interventions_of_the_report() -> None:
    assert set(codes.read().interventions) == {"call", "appointment", "home-visit", "medication-review"}


@pytest.mark.parametrize(
    "change", ["interventions: {}\n", "unknown: 1\n", "stale_after_hours: 0\n", "outcomes: {A: x}\n"]
)
def test_a_wrong_table_is_refused(tmp_path: Path, change: str) -> None:
    name = change.partition(":")[0]
    table = re.sub(rf"(?ms)^{name}:.*?(?=^\S|\Z)", "", codes.TABLE.read_text(encoding="utf-8"))
    wrong = tmp_path / "codes.yaml"
    wrong.write_text(table + change, encoding="utf-8")
    with pytest.raises(ValidationError):
        codes.read(wrong)


def test_reasons_of_planning_have_words_and_an_unknown_one_is_shown() -> None:
    assert words.fallback_reason(DatedScore(AT, fallback(9, "model-slow"))) == "the model was too slow"
    assert words.fallback_reason(DatedScore(AT, fallback(9, "new-reason"))) == "new-reason"
    assert words.not_scored_reason(DatedScore(AT, not_scored())) == "data that the model needs are missing"


def test_the_reasons_of_planning_have_words() -> None:
    table = codes.read()
    assert set(table.fallback_reasons) == set(get_args(NotScored.model_fields["fallback_reason"].annotation)[0])
    assert set(table.not_scored_reasons) >= set(get_args(NotScored.model_fields["not_scored_reason"].annotation))


def test_values_and_ages_in_words() -> None:
    assert [words.percent(value) for value in (0, 0.004, 0.174, 1)] == ["under 1 %", "under 1 %", "17 %", "100 %"]
    assert [words.hours(value) for value in (0.1, 3.4, 47.6, 72)] == ["6 min", "3 h", "48 h", "3 days"]
    yes = FeatureValue(name="chf", text="heart failure", value=1, unit="0/1")
    assert [words.quantity(item) for item in (yes, yes.model_copy(update={"value": None}))] == ["yes", "not recorded"]
