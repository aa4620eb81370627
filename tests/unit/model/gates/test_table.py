"""Gates as data: a refusal says which gate and by how much, a fault in the table says where."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from model.errors import GateError, UserError
from model.evaluation.run import evaluate, refuse
from model.gates import (
    GATES_FILE,
    Evaluation,
    Gate,
    GateTable,
    Profile,
    Verdict,
    approval_verdict,
    card_verdict,
    gate_table,
    judge,
    refusal,
    table_of_run,
    verdicts,
)
from model.gates import refuse as refuse_by
from model.training.train import train
from tests.support.model.model_world import world

pytestmark = pytest.mark.process

OFFICER = "clinical-safety-officer"


def clinical() -> Profile:
    return gate_table().profile("clinical")


def profile_with(*gates: dict[str, Any], **more: Any) -> Profile:
    minimum = {"discharges": 1, "readmissions": 1, "patients": 1}
    return Profile.model_validate({"meaning": "test", "minimum": minimum, "gates": gates, **more})


def table_with(tmp_path: Path, profile: str, gates: list[dict[str, Any]]) -> Path:
    content = gate_table().model_dump(mode="json")
    content["profiles"][profile]["gates"] = gates
    (tmp_path / "gates.yaml").write_text(json.dumps(content))
    return tmp_path / "gates.yaml"


def test_a_refusal_says_which_gate_and_by_how_much(tmp_path: Path) -> None:
    magic = {"name": "magic", "metric": "roc_auc.low", "at_least": 0.99}
    gates = gate_table(table_with(tmp_path, "demonstration", [magic]))
    train(str(world().features), out=tmp_path / "run", profile="demonstration", gates=gates)
    found = evaluate(tmp_path / "run")
    assert found.passed is False
    with pytest.raises(
        GateError, match=r"demonstration refuses: magic is 0\.\d+, not at least 0\.99 \(missed by 0\.\d+"
    ):
        refuse(found)


def test_a_gate_holds_at_its_bound_and_refuses_beyond() -> None:
    profile = profile_with({"name": "slope", "metric": "calibration.slope", "at_least": 0.8, "at_most": 1.2})
    for slope, missed in ((0.8, None), (1.2, None), (0.7, 0.1), (1.5, 0.3)):
        (verdict,) = judge(profile, Evaluation.of({"calibration": {"slope": slope}}))
        assert verdict.passed == (missed is None)
        assert verdict.missed_by == (pytest.approx(missed) if missed else None)
        assert verdict.demand == "at least 0.8 and at most 1.2"


@pytest.mark.parametrize("value", [None, float("nan"), "0.9", {"value": 0.9}])
def test_a_figure_that_is_unknown_does_not_pass(value: Any) -> None:
    profile = profile_with({"name": "error", "metric": "calibration.ece", "at_most": 0.06})
    (verdict,) = judge(profile, Evaluation.of({"calibration": {"ece": value}}))
    assert not verdict.passed
    assert refusal([verdict]) == "error is unknown, not at most 0.06"


INTERVAL = {"name": "benefit", "metric": "net_benefit.over_default", "at_least": 0.0, "margin": 0.01}


def interval_verdict(straddle: str, gate: dict[str, Any], low: Any, value: Any, high: Any) -> Verdict:
    steps = gate["metric"].split(".")
    evaluation: Any = {"value": value, "low": low, "high": high}
    for step in reversed(steps):
        evaluation = {step: evaluation}
    (verdict,) = judge(profile_with(gate, straddle=straddle), Evaluation.of(evaluation))
    return verdict


@pytest.mark.parametrize(
    ("low", "value", "high", "development", "clinical"),
    [
        (0.001, 0.01, 0.02, "passed", "passed"),
        (-0.005, -0.0006, 0.004, "passed with a warning", "passed with a warning"),
        (-0.01, 0.02, 0.05, "passed with a warning", "passed with a warning"),
        (-0.02, 0.02, 0.05, "passed with a warning", "refused"),
        (-0.03, -0.02, -0.001, "refused", "refused"),
        (0.0, 0.0, 0.0, "passed", "passed"),
    ],
)
def test_an_interval_decides_and_not_the_value(
    low: float, value: float, high: float, development: str, clinical: str
) -> None:
    assert interval_verdict("warn", INTERVAL, low, value, high).outcome == development
    assert interval_verdict("margin", INTERVAL, low, value, high).outcome == clinical


def test_fifty_intervals_come_out_as_counted_by_hand() -> None:
    chance = random.Random(14)
    for _ in range(50):
        least, most = sorted((chance.uniform(-1, 1), chance.uniform(-1, 1)))
        margin = chance.choice([0.0, chance.uniform(0, 0.5)])
        low, value, high = sorted(chance.uniform(-2, 2) for _ in range(3))
        gate = {"name": "g", "metric": "calibration.intervals.slope", "at_least": least, "at_most": most}
        overlaps = low <= most and high >= least
        inside = low >= least and high <= most
        within = low >= least - margin and high <= most + margin
        expected = {
            "warn": "refused" if not overlaps else "passed" if inside else "passed with a warning",
            "margin": "refused" if not (overlaps and within) else "passed" if inside else "passed with a warning",
        }
        for straddle, outcome in expected.items():
            verdict = interval_verdict(straddle, gate | {"margin": margin}, low, value, high)
            assert verdict.outcome == outcome
            assert (verdict.missed_by is None) == verdict.passed


@pytest.mark.parametrize("straddle", ["warn", "margin"])
@pytest.mark.parametrize(
    ("low", "value", "high"),
    [
        (None, 0.5, 0.6),
        (0.4, None, 0.6),
        (0.4, 0.5, float("nan")),
        (float("-inf"), 0.5, 0.6),
        ("0.4", 0.5, 0.6),
        (True, 0.5, 0.6),
        (0.6, 0.5, 0.4),
    ],
)
def test_an_interval_that_is_none_does_not_pass(straddle: str, low: Any, value: Any, high: Any) -> None:
    verdict = interval_verdict(straddle, INTERVAL, low, value, high)
    assert (verdict.passed, verdict.shown) == (False, "unknown")


def test_a_refusal_of_an_interval_shows_it_with_the_margin() -> None:
    verdict = interval_verdict("margin", INTERVAL, -0.03, 0.01, 0.05)
    assert refusal([verdict]) == (
        "benefit is 0.01 (-0.03 to 0.05), not at least 0 with the interval within a margin of 0.01 (missed by 0.02)"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"at_least": 1.0, "at_most": 0.0}, "at_least 1 is above at_most 0"),
        ({"margin": -0.1}, "greater than or equal to 0"),
        ({"margin": float("inf")}, "finite"),
        ({"at_least": float("-inf")}, "finite"),
        ({"metric": "counts.discharges"}, "a margin needs a figure with an interval"),
        ({"holds": True}, "holds needs a yes-or-no figure"),
    ],
)
def test_a_gate_that_makes_no_sense_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Gate.model_validate(INTERVAL | change)


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ({"discharges": 812, "readmissions": 2}, "2 readmissions among the test discharges, 10 needed"),
        ({"discharges": 12, "readmissions": 11}, "12 test discharges, 40 needed; 1 test discharges without"),
        ({"discharges": None, "readmissions": True}, "0 test discharges, 40 needed"),
        ({}, "0 test discharges"),
        (None, "0 test discharges"),
        ({"discharges": 812, "readmissions": 60}, "ROC-AUC, Brier skill, calibration cannot be estimated"),
    ],
)
def test_what_was_not_evaluated_is_refused_with_the_counts(counts: Any, why: str) -> None:
    table = gate_table()
    for name, passes in (("clinical", False), ("development", False), ("demonstration", True)):
        verdict = verdicts(table, name, Evaluation.of({"counts": counts}))[0]
        assert verdict.name == "evaluated"
        assert verdict.passed == passes
        assert bool(verdict.warning) == passes
        assert why in verdict.shown


def test_two_gates_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two gates have the name 'benefit'"):
        profile_with(INTERVAL, INTERVAL)


def test_unknown_figures_of_the_shipped_profile_do_not_pass() -> None:
    verdicts = judge(clinical(), Evaluation.of({"counts": {"discharges": 500}}))
    assert [v.name for v in verdicts if v.passed and v.judged] == ["enough test discharges"]


def test_a_yes_or_no_figure_must_be_what_the_gate_says() -> None:
    profile = profile_with({"name": "same", "metric": "data_contract.same_definitions", "holds": True})
    assert judge(profile, Evaluation.of({"data_contract": {"same_definitions": True}}))[0].passed
    (verdict,) = judge(profile, Evaluation.of({"data_contract": {"same_definitions": False}}))
    assert refusal([verdict]) == "same is false, not true"


def test_the_champion_is_asked_for_only_where_there_is_one() -> None:
    gate = {"name": "champion", "metric": "baseline.over_roc_auc.low", "at_least": -0.01, "with_baseline": True}
    (verdict,) = judge(profile_with(gate), Evaluation(baseline=None))
    assert (verdict.passed, verdict.judged) == (True, False)
    for low, passed in ((-0.01, True), (-0.02, False)):
        compared = Evaluation.of({"baseline": {"over_roc_auc": {"low": low}}})
        assert judge(profile_with(gate), compared)[0].passed == passed
    assert not judge(profile_with(gate), Evaluation.of({"baseline": {"over_roc_auc": None}}))[0].passed
    demanding = judge(profile_with(gate, baseline_required=True), Evaluation())
    assert refusal(demanding) == "baseline is absent; give --baseline RELEASE, not given"


def test_the_shipped_profiles_differ_in_approval_alone() -> None:
    table = gate_table()
    assert table.profile("development").gates == table.profile("clinical").gates
    assert table.profile("development").approval is None
    assert table.profile("clinical").approval is not None


@pytest.mark.parametrize(
    ("by", "reason", "passed"),
    [
        (f"{OFFICER}:A. Person", "reviewed on 2 June", True),
        (f" {OFFICER} : A. Person ", "reviewed", True),
        (f"{OFFICER}:A. Person", " ", False),
        (f"{OFFICER}:A. Person", None, False),
        ("nurse:A. Person", "reviewed", False),
        (None, "reviewed", False),
    ],
)
def test_only_a_named_role_approves(by: str | None, reason: str | None, passed: bool) -> None:
    verdict = approval_verdict(clinical(), by, reason)
    assert verdict.passed == passed
    assert "A. Person" not in (refusal([verdict]) or "")
    assert approval_verdict(gate_table().profile("development"), by, reason).passed


@pytest.mark.parametrize("by", ["A. Person", ":A. Person", f"{OFFICER}:", ""])
def test_an_approval_without_role_and_name_is_one_sentence(by: str) -> None:
    with pytest.raises(UserError, match="must be ROLE:NAME"):
        approval_verdict(clinical(), by, "reviewed")


def test_an_incomplete_card_is_refused_where_the_profile_asks() -> None:
    assert card_verdict(clinical(), []).passed
    with pytest.raises(GateError, match="clinical refuses: model card is without an answer to funding, owner"):
        refuse_by("clinical", [card_verdict(clinical(), ["funding", "owner"])])
    verdict = card_verdict(gate_table().profile("demonstration"), ["funding"])
    assert (verdict.passed, verdict.judged) == (True, False)


def test_a_gate_on_an_unknown_figure_is_refused_with_its_line(tmp_path: Path) -> None:
    text = GATES_FILE.read_text().replace("metric: roc_auc,", "metric: roc_auc.lower,")
    (tmp_path / "gates.yaml").write_text(text)
    line = next(n for n, row in enumerate(text.splitlines(), 1) if "roc_auc.lower" in row)
    with pytest.raises(
        UserError, match=rf"gates\.yaml .*line {line}.*no figure 'roc_auc.lower'; the nearest is \w*roc_auc"
    ):
        gate_table(tmp_path / "gates.yaml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("version: 1", r"profiles \(line 1\): Field required"),
        ("[", "not valid YAML at line 1"),
        ("profiles: {x: 1}", r"version \(line 1\): Field required"),
        ("version: 1\npolicy: {}\nprofiles:\n  x: 1", r"profiles.x \(line 4\)"),
        ("version: 1\nprofiles: {}\npolicy: {low: {top_share: 1, action: a}}", r"policy \(line 3\): the policy needs"),
        ("", "the file: Input should be a valid dictionary"),
    ],
)
def test_a_broken_gates_file_says_where(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "gates.yaml").write_text(content)
    with pytest.raises(UserError, match=said):
        gate_table(tmp_path / "gates.yaml")


def test_a_gate_that_demands_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="lets everything pass"):
        Gate(name="empty", metric="roc_auc.low")


def test_unknown_profiles_and_files_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="clinical, demonstration, development"):
        gate_table().profile("wish")
    with pytest.raises(UserError, match="no gates file"):
        gate_table(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="not the folder of a training run"):
        evaluate(tmp_path)


def test_a_table_survives_the_run_that_keeps_it() -> None:
    kept = json.loads(json.dumps(gate_table().model_dump(mode="json")))
    assert table_of_run(kept) == gate_table() == GateTable.model_validate(yaml.safe_load(GATES_FILE.read_text()))
    with pytest.raises(UserError, match="train again"):
        table_of_run({"version": 1})
    with pytest.raises(UserError, match="version 1 of the gates, and this package has version 2; run train again"):
        table_of_run(kept | {"version": 1})
