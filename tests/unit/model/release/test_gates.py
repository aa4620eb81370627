"""Release and verify judge the figures again by the package's own gates; what nobody knows is said everywhere."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from model.artifact import files
from model.errors import GateError, UserError
from model.evaluation.run import EVALUATION_FILE
from model.gates import gate_table
from model.release.publish import Released
from model.release.verify import Verified, verify
from model.scoring import Scorer
from tests.support.model.gates_world import APPROVED, change, forged, good_figures, interval, prepared, published

pytestmark = pytest.mark.process

TODAY = date(2026, 3, 1)
EXCEPTION: dict[str, Any] = {
    "gate": "net benefit",
    "at_least": -0.05,
    "reason": "first year of a small hospital",
    "approved_by": "chief-medical-information-officer:B. Jones",
    "until": "2026-12-31",
}
HARMFUL = {"net_benefit": {"over_default": interval(-0.04, -0.03, -0.01), "threshold": 0.2}}
TOO_FEW = {
    "counts": {"discharges": 812, "patients": 500, "readmissions": 2},
    "roc_auc": None,
    "brier_skill": None,
    "calibration": None,
}


def clinical(tmp_path: Path, **options: Any) -> Released:
    return published(tmp_path, prepared(tmp_path), **APPROVED, **options)


def metrics(place: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(place) / files.METRICS_FILE).read_text())
    return found


def failed(found: Verified) -> dict[str, str]:
    return {check.name: check.found for check in found.checks if not check.holds}


def card(place: str) -> str:
    return (Path(place) / files.CARD_FILE).read_text()


def test_verdicts_that_were_emptied_are_judged_again_and_kept(tmp_path: Path) -> None:
    done = clinical(tmp_path)
    found = verify(done.place)
    assert failed(found) == {}
    kept = {gate["name"] for gate in metrics(done.place)["evaluation"]["gates"]}
    assert kept >= {gate.name for gate in gate_table().profile("clinical").gates}
    assert (
        "| net benefit | 0.03 (0.01 to 0.05) | at least 0 with the interval within a margin of 0.01 | passed |"
        in card(done.place)
    )


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (HARMFUL, r"net benefit is -0.03 \(-0.04 to -0.01\), not at least 0"),
        ({"net_benefit": {"threshold": 0.2}}, "net benefit is unknown"),
        ({"over_lace": None}, "better than LACE is unknown"),
        ({"brier_skill": {"value": "0.3", "low": 0.1, "high": 0.4}}, "useful probabilities is unknown"),
        ({"gaps": {}}, "subgroup gap beyond chance is unknown"),
        ({"counts": {"discharges": 60, "patients": 50, "readmissions": 20}}, "enough test discharges is 60"),
        (TOO_FEW, "evaluated is 2 readmissions among the test discharges, 10 needed"),
    ],
)
def test_figures_that_do_not_pass_are_refused_whatever_the_verdicts_say(
    tmp_path: Path, figures: dict[str, Any], said: str
) -> None:
    run = prepared(tmp_path, figures=figures)
    for listed in ([], [{"name": "net benefit", "passed": True, "demand": "nothing"}]):
        change(run / EVALUATION_FILE, gates=listed, passed=True)
        with pytest.raises(GateError, match=said):
            published(tmp_path, run, **APPROVED)
    assert not (tmp_path / "models").exists()


def test_a_run_whose_gates_were_replaced_is_refused(tmp_path: Path) -> None:
    gates = gate_table().model_dump(mode="json")
    gates["profiles"]["clinical"]["gates"] = [
        gate | {"at_least": -1.0} if gate["name"] == "net benefit" else gate
        for gate in gates["profiles"]["clinical"]["gates"]
    ]
    with pytest.raises(UserError, match="lowers the gate net benefit"):
        published(tmp_path, prepared(tmp_path, figures=HARMFUL, gates=gates), **APPROVED)
    gates["profiles"]["clinical"]["gates"] = [{"name": "any", "metric": "counts.discharges", "at_least": 1}]
    with pytest.raises(GateError, match=r"net benefit is -0\.03"):
        published(tmp_path, prepared(tmp_path, figures=HARMFUL, gates=gates), **APPROVED)


def test_a_demonstration_that_was_renamed_is_refused_for_what_it_was_trained_on(tmp_path: Path) -> None:
    run = prepared(tmp_path)
    counts = json.loads((run / "run.json").read_text())["counts"] | {"training_readmissions": 20}
    change(run / "run.json", counts=counts)
    with pytest.raises(GateError, match="training readmissions is 20, not at least 60"):
        published(tmp_path, run, **APPROVED)
    with pytest.raises(UserError, match="no gate profile clinical2"):
        published(tmp_path, prepared(tmp_path, "clinical2"), **APPROVED)


def test_an_evaluation_without_a_figure_that_a_release_says_is_one_sentence(tmp_path: Path) -> None:
    run = prepared(tmp_path, "demonstration")
    content = json.loads((run / EVALUATION_FILE).read_text())
    del content["roc_auc"]
    (run / EVALUATION_FILE).write_text(json.dumps(content))
    with pytest.raises(UserError, match="lacks roc_auc; run python -m model evaluate again"):
        published(tmp_path, run)


def test_a_release_without_an_approval_does_not_verify(tmp_path: Path) -> None:
    place = forged(tmp_path, clinical(tmp_path).place, files.LINEAGE_FILE, approval=None)
    assert failed(verify(place)) == {
        "approval": "The approval is absent, not by a clinical-safety-officer or chief-medical-information-officer, "
        "with a reason."
    }
    place = forged(tmp_path, place, files.LINEAGE_FILE, approval={"by": "janitor:X", "reason": "fine"})
    assert "by a janitor" in failed(verify(place))["approval"]


def test_a_release_without_an_ethics_approval_does_not_verify(tmp_path: Path) -> None:
    place = forged(tmp_path, clinical(tmp_path).place, files.LINEAGE_FILE, ethics_approval=None)
    assert failed(verify(place)) == {
        "ethics approval": "The ethics approval is absent, not by an ethics-committee, with a reason."
    }


@pytest.mark.parametrize("figures", [HARMFUL, {"net_benefit": None}, TOO_FEW])
def test_a_release_whose_figures_do_not_pass_does_not_verify(tmp_path: Path, figures: dict[str, Any]) -> None:
    done = clinical(tmp_path)
    evaluation = metrics(done.place)["evaluation"] | figures | {"gates": [], "passed": True}
    change(Path(done.place) / files.METRICS_FILE, evaluation=evaluation)
    with pytest.raises(UserError, match=r"metrics\.json is not what was released"):
        verify(done.place)
    place = forged(tmp_path, done.place, files.METRICS_FILE, evaluation=evaluation)
    assert "The profile clinical refuses" in failed(verify(place))["gates"]


def test_a_release_by_a_profile_that_is_none_does_not_verify(tmp_path: Path) -> None:
    place = forged(tmp_path, clinical(tmp_path).place, files.LINEAGE_FILE, profile="own")
    assert "no gate profile own" in failed(verify(place))["gates"]
    place = forged(tmp_path, place, files.LINEAGE_FILE, profile="clinical", gates_version=7)
    assert "no version 7 of the gates" in failed(verify(place))["gates"]


def test_a_release_from_before_is_judged_by_the_gates_of_its_time(tmp_path: Path) -> None:
    done = clinical(tmp_path)
    lineage = json.loads((Path(done.place) / files.LINEAGE_FILE).read_text())
    new = ("gates_version", "exceptions", "suspects", "evaluated", "not_evaluated")
    (Path(done.place) / files.LINEAGE_FILE).write_text(json.dumps({k: v for k, v in lineage.items() if k not in new}))
    figures = good_figures() | {"sure_gap": 0.0, "at_high": metrics(done.place)["evaluation"]["at_high"]}
    figures["gaps"] = {"roc_auc": {"sure": 0.0}, "calibration": {"sure": 0.0}}
    figures["net_benefit"]["over_default"] = interval(-0.05, 0.001, 0.05)
    evaluation = metrics(done.place)["evaluation"] | figures | {"gates": []}
    place = forged(tmp_path, done.place, files.METRICS_FILE, evaluation=evaluation)
    assert failed(verify(place)) == {}
    assert Scorer.open(place).standing(TODAY).cautions == ()
    figures["net_benefit"]["over_default"]["value"] = -0.001
    place = forged(tmp_path, place, files.METRICS_FILE, evaluation=evaluation | figures)
    assert "net benefit is -0.001" in failed(verify(place))["gates"]


def excepted(tmp_path: Path, **row: Any) -> Released:
    gates = gate_table().model_dump(mode="json")
    exception = EXCEPTION | row
    gates["profiles"]["clinical"]["exceptions"] = [exception]
    run = prepared(tmp_path, figures=HARMFUL, gates=gates, exceptions=[exception])
    return published(tmp_path, run, **APPROVED, today=TODAY)


def test_an_exception_is_on_the_card_and_ends(tmp_path: Path) -> None:
    done = excepted(tmp_path)
    row = "| net benefit | at least -0.05 | 2026-12-31 | chief-medical-information-officer:B. Jones | first year of"
    assert row in card(done.place)
    assert any("lowered from at least 0 by an exception" in warning for warning in done.warnings)
    assert failed(verify(done.place, today=date(2026, 12, 31))) == {}
    after = date(2027, 1, 1)
    assert "the exception for net benefit expired on 2026-12-31" in failed(verify(done.place, today=after))["gates"]
    assert Scorer.open(done.place).standing(TODAY).cautions == ()
    assert Scorer.open(done.place).standing(after).cautions == (
        "the exception for the gate net benefit expired on 2026-12-31",
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"until": "2026-02-28"}, "the exception for net benefit expired on 2026-02-28"),
        ({"until": "2028-01-01"}, "more than 366 days away"),
        ({"approved_by": "janitor:X"}, "is approved by a janitor"),
    ],
)
def test_an_exception_that_is_not_in_force_lowers_nothing(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(GateError, match=said):
        excepted(tmp_path, **row)


def test_a_suspect_that_nobody_accepted_is_not_released(tmp_path: Path) -> None:
    suspect = {"feature": "triage", "roc_auc": 0.948, "others": 0.63, "known_at_discharge": "", "reason": ""}
    run = prepared(tmp_path, suspects=[suspect | {"accepted_by": ""}])
    with pytest.raises(GateError, match=r"feature triage is ROC-AUC 0\.948 alone, the others at most 0\.630, not acc"):
        published(tmp_path, run, **APPROVED)
    change(run / "run.json", suspects=[suspect | {"accepted_by": "data-owner:C. Miller", "reason": "ward's score"}])
    done = published(tmp_path, run, **APPROVED)
    assert "| triage | 0.948 | 0.630 | not declared | data-owner:C. Miller | ward's score |" in card(done.place)
    assert failed(verify(done.place)) == {}
    assert any("feature triage" in warning for warning in done.warnings)


def test_a_demonstration_that_was_not_evaluated_says_so(tmp_path: Path) -> None:
    done = published(tmp_path, prepared(tmp_path, "demonstration", figures=TOO_FEW))
    why = "2 readmissions among the test discharges, 10 needed"
    assert done.not_evaluated == why
    assert f"> **Not evaluated.** Nothing is known of how good this model is: {why}." in card(done.place)
    lineage = json.loads((Path(done.place) / files.LINEAGE_FILE).read_text())
    assert (lineage["evaluated"], lineage["not_evaluated"]) == (False, why)
    found = verify(done.place)
    assert (found.holds, found.evaluated) == (True, False)
    assert any(why in warning for warning in found.warnings)
    standing = Scorer.open(done.place).standing(TODAY)
    assert (standing.evaluated, standing.cautions) == (
        False,
        (f"not evaluated: this model's performance is unknown ({why})",),
    )
    place = forged(tmp_path, done.place, files.LINEAGE_FILE, evaluated=True)
    assert "disagree on whether the model was evaluated" in failed(verify(place))["gates"]
