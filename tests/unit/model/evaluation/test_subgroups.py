"""Gaps by attribute: whoever is served less well is found, chance is not, and too small groups are named."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from model.dataset.dataset import Dataset
from model.gates import Evaluation, Gate, Verdict, gate_table, judge
from tests.support.model.written_figures import figures

pytestmark = pytest.mark.process

Found = dict[str, Any]

ROWS = 3000
BANDS = {"high": 0.3, "medium": 0.15}
DEMOGRAPHIC = ("sex", "race", "ethnicity", "payer", "deprivation")


def population(seed: int, rows: int = ROWS) -> tuple[Dataset, Any]:
    """Return discharges with true risks, and groups that have nothing to do with them."""
    chance = np.random.default_rng(seed)
    risk = 1 / (1 + np.exp(-chance.normal(-1.3, 1.1, rows)))
    groups = {
        "race": chance.choice(["White", "Asian", "Black or African American", ""], rows, p=[0.55, 0.15, 0.25, 0.05]),
        "ethnicity": chance.choice(["Hispanic or Latino", "Not Hispanic or Latino"], rows, p=[0.2, 0.8]),
        "payer": chance.choice(["medicare", "medicaid", "commercial"], rows),
    }
    data = Dataset(
        names=(),
        values=np.empty((rows, 0)),
        label=(chance.random(rows) < risk).astype(np.int64),
        patient=np.array([f"p{number}" for number in range(rows)]),
        baseline=np.full(rows, np.nan),
        time=None,
        groups=groups,
        later=np.zeros(rows, dtype=bool),
    )
    return data, risk


def gates(evaluation: Found) -> dict[str, Verdict]:
    """Return the verdicts of the gates that ask for one attribute."""
    profile = gate_table().profile("clinical")
    chosen = tuple(gate for gate in profile.gates if gate.where_recorded)
    return {v.name: v for v in judge(profile.model_copy(update={"gates": chosen}), Evaluation.of(evaluation))}


def test_every_attribute_has_a_gate_for_sensitivity_and_calibration() -> None:
    asked = {gate.metric for gate in gate_table().profile("clinical").gates}
    for name in DEMOGRAPHIC:
        assert f"gaps.sensitivity.by.{name}" in asked
    assert "gaps.calibration" in asked
    assert {f"gaps.calibration.by.{name}" for name in DEMOGRAPHIC[1:]} <= asked


def test_fifty_populations_have_the_gaps_that_their_rows_show() -> None:
    for seed in range(50):
        data, risk = population(seed, 700)
        found = figures(data, risk, BANDS, resamples=20)
        for attribute, group in data.groups.items():
            shares, excess = [], []
            for name in set(group.tolist()) - {""}:
                rows = group == name
                came = data.label[rows] == 1
                if rows.sum() < 40 or min(came.sum(), (~came).sum()) < 10:
                    continue
                shares.append(float((risk[rows][came] >= BANDS["high"]).mean()))
                excess.append(float(data.label[rows].mean() - risk[rows].mean()))
            for figure, values in (("sensitivity", shares), ("calibration", excess)):
                gap = found["gaps"][figure]["by"][attribute]
                expected = max(values) - min(values) if len(values) > 1 else None
                assert gap["largest"] == (None if expected is None else pytest.approx(expected))
                if expected is not None:
                    assert 0 <= gap["low"] <= gap["largest"] <= gap["high"]
                    assert gap["low"] == gap["sure"]
        for figure in ("sensitivity", "calibration"):
            by = found["gaps"][figure]["by"].values()
            assert found["gaps"][figure]["sure"] == max(gap["sure"] for gap in by if gap["sure"] is not None)


def test_equal_service_passes_every_gate_that_is_judged() -> None:
    for seed in (1, 2, 3):
        data, risk = population(seed)
        verdicts = gates(figures(data, risk, BANDS, resamples=200))
        assert all(verdict.passed for verdict in verdicts.values())
        assert {name for name, verdict in verdicts.items() if not verdict.judged} == {
            "sensitivity gap by sex",
            "calibration gap by deprivation",
            "sensitivity gap by deprivation",
        }


@pytest.mark.parametrize("attribute", ["race", "ethnicity", "payer"])
def test_a_group_whose_risk_is_told_too_low_is_refused(attribute: str) -> None:
    data, risk = population(5)
    group = data.groups[attribute]
    worse = {"race": "Black or African American", "ethnicity": "Hispanic or Latino", "payer": "medicaid"}[attribute]
    found = figures(data, np.where(group == worse, risk * 0.3, risk), BANDS, resamples=200)
    refused = {name for name, verdict in gates(found).items() if not verdict.passed}
    assert refused == {f"calibration gap by {attribute}", f"sensitivity gap by {attribute}"}


def test_a_group_whose_readmissions_are_not_found_is_refused_though_its_mean_risk_is_right() -> None:
    data, risk = population(7)
    rows = data.groups["race"] == "Black or African American"
    flat = np.where(rows, data.label[rows].mean(), risk)
    refused = {name for name, verdict in gates(figures(data, flat, BANDS, resamples=200)).items() if not verdict.passed}
    assert refused == {"sensitivity gap by race"}


def test_groups_too_small_to_tell_are_named_and_judge_nothing() -> None:
    data, risk = population(9)
    group = np.where(np.arange(ROWS) < 30, "Asian", "White")
    found = figures(replace(data, groups={"race": group}), risk, BANDS, resamples=50)
    assert found["too_small"] == ["race: Asian (fewer than 40 discharges)"]
    assert found["gaps"]["sensitivity"]["by"]["race"] == dict.fromkeys(("largest", "sure", "value", "low", "high"))
    verdict = gates(found)["sensitivity gap by race"]
    assert (verdict.passed, verdict.judged) == (True, False)
    assert verdict.found == "not recorded, or groups too small to tell"


def test_an_attribute_that_nobody_recorded_is_unknown_and_no_gap() -> None:
    data, risk = population(9)
    found = figures(replace(data, groups={"race": np.full(ROWS, "")}), risk, BANDS, resamples=20)
    assert [group["name"] for group in found["subgroups"]] == ["unknown"]
    assert not any(verdict.judged for verdict in gates(found).values())


def test_only_a_gap_by_attribute_may_be_left_unjudged() -> None:
    with pytest.raises(ValidationError, match="where_recorded needs a gap by one attribute"):
        Gate(name="discrimination", metric="roc_auc", at_least=0.6, where_recorded=True)
    with pytest.raises(ValidationError, match="there is no figure"):
        Gate(name="gap", metric="gaps.sensitivity.by.ward.sure", at_most=0.1, where_recorded=True)
