"""A hospital's own gates file: it may ask for more, and for less only by an exception that somebody approved."""

import copy
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from model.errors import UserError
from model.gates import Evaluation, Profile, gate_table, judge, refusal, table_of_run, table_of_version, warnings_of
from tests.support.model.model_command import call

TODAY = date(2026, 3, 1)
EXCEPTION: dict[str, Any] = {
    "gate": "net benefit",
    "at_least": -0.05,
    "reason": "first year of a small hospital",
    "approved_by": "chief-medical-information-officer:B. Jones",
    "until": "2026-12-31",
}
BENEFIT = Evaluation.of({"net_benefit": {"over_default": {"value": -0.03, "low": -0.04, "high": -0.01}}})


def own(tmp_path: Path, profile: str = "clinical", **change: Any) -> Path:
    content = gate_table().model_dump(mode="json")
    content["profiles"][profile] |= change
    return written(tmp_path, content)


def written(tmp_path: Path, content: dict[str, Any]) -> Path:
    (tmp_path / "own.yaml").write_text(json.dumps(content))
    return tmp_path / "own.yaml"


def gates(profile: str = "clinical", **changed: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the package's gates of a profile, some of them changed by name."""
    rows: list[dict[str, Any]] = copy.deepcopy(gate_table().model_dump(mode="json")["profiles"][profile]["gates"])
    return [row | changed.get(row["name"].replace(" ", "_"), {}) for row in rows]


def excepted(tmp_path: Path, **change: Any) -> Profile:
    path = own(tmp_path, exceptions=[EXCEPTION | change])
    return gate_table(path, today=TODAY).profile("clinical")


def benefit(profile: Profile, today: date) -> Any:
    return next(v for v in judge(profile, BENEFIT, today=today) if v.name == "net benefit")


def test_the_package_s_gates_are_judged_whatever_the_own_file_lists(tmp_path: Path) -> None:
    anything = {"name": "anything", "metric": "counts.discharges", "at_least": 1}
    found = gate_table(own(tmp_path, gates=[anything])).profile("clinical")
    package = gate_table().profile("clinical")
    assert found.gates[:-1] == package.gates
    assert found.gates[-1].name == "anything"


def test_a_stricter_bound_is_kept(tmp_path: Path) -> None:
    found = gate_table(own(tmp_path, gates=gates(net_benefit={"at_least": 0.02, "margin": 0.0}))).profile("clinical")
    (gate,) = [gate for gate in found.gates if gate.name == "net benefit"]
    assert (gate.at_least, gate.margin) == (0.02, 0.0)


@pytest.mark.parametrize(
    "change",
    [
        {"net_benefit": {"at_least": -1.0}},
        {"net_benefit": {"at_least": None, "at_most": 5.0}},
        {"net_benefit": {"margin": 5.0}},
        {"net_benefit": {"with_baseline": True}},
        {"calibration_slope": {"at_most": 15.0}},
        {"calibration_slope": {"at_least": None}},
        {"calibration_error": {"at_most": 0.07}},
    ],
)
def test_a_lower_bound_is_refused(tmp_path: Path, change: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(UserError, match=r"profile clinical, lowers the gate .* give an exception"):
        gate_table(own(tmp_path, gates=gates("clinical", **change)))


def test_another_figure_under_the_name_of_a_gate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"judges counts\.discharges under the name net benefit"):
        gate_table(own(tmp_path, gates=gates(net_benefit={"metric": "counts.discharges", "margin": 0.0})))


def test_a_profile_of_another_name_is_refused(tmp_path: Path) -> None:
    content = gate_table().model_dump(mode="json")
    content["profiles"]["clinical-pilot"] = content["profiles"]["clinical"] | {"gates": gates()[:1]}
    with pytest.raises(UserError, match="has a profile clinical-pilot, by which no release is judged"):
        gate_table(written(tmp_path, content))


@pytest.mark.parametrize(
    ("change", "field", "kept"),
    [
        ({"approval": None}, "approval", gate_table().profile("clinical").approval),
        ({"ethics_approval": None}, "ethics_approval", gate_table().profile("clinical").ethics_approval),
        ({"card_complete": False}, "card_complete", True),
        ({"may_be_unevaluated": True}, "may_be_unevaluated", False),
        ({"leakage": "warn"}, "leakage", "refuse"),
        ({"straddle": "warn"}, "straddle", "margin"),
        ({"exception_rule": {"roles": ["janitor"], "longest_days": 366}}, "exception_rule", None),
        ({"minimum": {"discharges": 1, "readmissions": 1, "patients": 1}}, "minimum", None),
    ],
)
def test_what_the_profile_asks_for_beyond_gates_is_kept(
    tmp_path: Path, change: dict[str, Any], field: str, kept: Any
) -> None:
    package = gate_table().profile("clinical")
    found = getattr(gate_table(own(tmp_path, **change)).profile("clinical"), field)
    assert found == (kept if kept is not None else getattr(package, field))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"approval": {"roles": ["janitor"]}}, "lets a janitor approve"),
        ({"ethics_approval": {"roles": ["janitor"]}}, "lets a janitor approve"),
        ({"groups": ["sex"]}, "leaves out attributes whose subgroups are judged"),
    ],
)
def test_who_approves_and_who_is_judged_cannot_be_narrowed(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        gate_table(own(tmp_path, **change))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("small_group", {"discharges": 10**6, "outcomes": 10**6}, "changes small_group"),
        ("evaluated", {"discharges": 1, "outcomes": 1}, "raise evaluated to the package's"),
    ],
)
def test_sizes_cannot_be_changed_so_that_less_is_judged(
    tmp_path: Path, field: str, value: dict[str, int], said: str
) -> None:
    content = gate_table().model_dump(mode="json") | {field: value}
    with pytest.raises(UserError, match=said):
        gate_table(written(tmp_path, content))


def test_an_exception_lowers_a_gate_until_its_last_day(tmp_path: Path) -> None:
    found = excepted(tmp_path)
    verdict = benefit(found, date(2026, 12, 31))
    assert verdict.passed
    assert "lowered from at least 0 by an exception until 2026-12-31" in verdict.warning
    assert warnings_of([verdict])
    expired = benefit(found, date(2027, 1, 1))
    assert not expired.passed
    assert "the exception for net benefit expired on 2026-12-31" in str(refusal([expired]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"approved_by": "janitor:B. Jones"}, "is approved by a janitor, not by a clinical-safety-officer or"),
        ({"approved_by": "B. Jones"}, "approved_by must be ROLE:NAME"),
        ({"approved_by": "chief-medical-information-officer: "}, "approved_by must be ROLE:NAME"),
        ({"until": str(TODAY - timedelta(days=1))}, "expired on 2026-02-28"),
        ({"until": str(TODAY + timedelta(days=367))}, "more than 366 days away"),
        ({"until": "soon"}, "until"),
        ({"reason": "  "}, "needs a reason"),
        ({"at_least": None}, "needs the new bound"),
        ({"at_least": float("nan")}, "finite number"),
        ({"at_least": 0.5}, "lowers nothing"),
        ({"at_most": 5.0}, "lowers nothing: the gate has no such bound"),
        ({"gate": "net benefits"}, "the nearest is net benefit"),
    ],
)
def test_an_exception_that_is_not_right_is_one_sentence(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        excepted(tmp_path, **change)


def test_two_exceptions_for_one_gate_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two exceptions for the gate net benefit"):
        gate_table(own(tmp_path, exceptions=[EXCEPTION, EXCEPTION | {"at_least": -9}]), today=TODAY)


def test_a_demonstration_allows_no_exception(tmp_path: Path) -> None:
    row = EXCEPTION | {"gate": "some test discharges", "at_least": 1}
    with pytest.raises(UserError, match="allows no exception"):
        gate_table(own(tmp_path, "demonstration", exceptions=[row]), today=TODAY)


def test_a_run_whose_gates_were_lowered_by_hand_is_refused() -> None:
    content = gate_table().model_dump(mode="json")
    content["profiles"]["clinical"]["gates"] = gates(net_benefit={"at_least": -1.0})
    with pytest.raises(UserError, match="The run's table of gates, profile clinical, lowers the gate net benefit"):
        table_of_run(content)


def test_gates_of_the_first_version_are_kept_for_its_releases() -> None:
    first = table_of_version(1)
    assert first.version == 1
    metrics = {gate.metric for gate in first.profile("clinical").gates}
    assert metrics >= {"roc_auc.low", "net_benefit.over_default.value"}
    with pytest.raises(UserError, match="no version 9 of the gates"):
        table_of_version(9)


def test_the_command_refuses_a_lowered_gate_before_it_reads_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own(tmp_path, gates=gates(net_benefit={"at_least": -1.0}))
    arguments = ("train", "nowhere.parquet", "--out", str(tmp_path / "run"), "--gates", str(path))
    assert call(monkeypatch, *arguments) == 2
    assert "lowers the gate net benefit" in capsys.readouterr().err.replace("\n", " ")
