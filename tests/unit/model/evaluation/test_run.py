"""An evaluated run: pictures, one page, importance, stability, the champion; the same run gives the same bytes."""

import functools
import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from model.artifact.files import PIPELINE_FILE, REPORT_FILE
from model.dataset.dataset import Dataset
from model.errors import GateError, UserError
from model.evaluation.comparison import Champion, champion
from model.evaluation.plots import plots
from model.evaluation.report import benefit, report
from model.evaluation.run import EVALUATION_FILE, evaluate, keep_report, read_evaluation
from model.gates import Evaluation
from model.metrics.figure_parts import Spread
from model.release.publish import release
from model.release.signing import LocalSigner
from model.training.run import RUN_FILE, TEST_FILE, dumped, read_fit, read_run, read_test
from tests.support.model.model_world import world
from tests.support.model.written_figures import compared, curves, data_contract, figures, importance, stability
from tests.unit.model.evaluation.test_figures import discharges

pytestmark = pytest.mark.process

SIGNATURE = b"\x89PNG\r\n"


@functools.cache
def evaluated() -> dict[str, Any]:
    return evaluate(world().run).written()


def copy_of_run(tmp_path: Path) -> Path:
    evaluated()
    return Path(shutil.copytree(world().run, tmp_path / "run"))


def linear(weights: list[float], fit: Dataset) -> Pipeline:
    """Return a fitted pipeline whose log-odds are a weighted sum."""
    prepare = ColumnTransformer([("numeric", "passthrough", list(range(len(weights))))]).fit(fit.values)
    model = LogisticRegression().fit(fit.values, fit.label)
    model.coef_, model.intercept_ = np.array([weights]), np.array([-1.5])
    return Pipeline([("prepare", prepare), ("model", model)])


def three_features(rows: int = 1500) -> Dataset:
    """Return discharges whose outcome is of the first feature, a little of the second and not of the third."""
    chance = np.random.default_rng(3)
    values = chance.normal(size=(rows, 3))
    chances = 1 / (1 + np.exp(-(1.5 * values[:, 0] - 0.5 * values[:, 1] - 1.5)))
    base = discharges(rows)[0]
    return replace(base, names=("strong", "weak", "none"), values=values, label=(chance.random(rows) < chances) * 1)


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = copy_of_run(tmp_path)
    made = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name in (EVALUATION_FILE, REPORT_FILE):
        (folder / name).unlink()
    shutil.rmtree(folder / "plots")
    evaluate(folder)
    assert {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == made
    assert len([name for name in made if name.suffix == ".png"]) >= 5


def test_the_report_is_one_page_that_needs_nothing_else() -> None:
    evaluated()
    page = (world().run / REPORT_FILE).read_text()
    assert page.count("data:image/png;base64,") >= 5
    assert not re.search(r"(src|href)=.(?!data:)", page)
    assert "<script" not in page
    for told in ("Gates", "net benefit", "calibration slope", "age: 80 and over", "What the model leans on", "Limits"):
        assert told in page
    assert "Not for patients" in page
    assert "{{" not in page


def test_a_report_outlives_its_run_under_the_runs_digest(tmp_path: Path) -> None:
    run = copy_of_run(tmp_path)
    place = Path(keep_report(run, str(tmp_path / "reports")))
    assert place.parent.name == hashlib.sha256((run / RUN_FILE).read_bytes()).hexdigest()[:12]
    shutil.rmtree(run)
    assert json.loads((place.parent / EVALUATION_FILE).read_text())["passed"] in (True, False)
    assert place.read_bytes().startswith(b"<!doctype html>") or b"<html" in place.read_bytes()[:200]


def test_neither_report_nor_evaluation_names_a_patient() -> None:
    evaluated()
    written = (world().run / REPORT_FILE).read_text() + (world().run / EVALUATION_FILE).read_text()
    assert not any(patient in written for patient in read_test(world().run).patient)
    assert str(world().root) not in written


def test_a_refused_run_says_so_first() -> None:
    found = evaluated()
    gate = {"name": "discrimination", "passed": False, "judged": True, "value": 0.5, "found": "", "why": "chance"}
    refused = found | {"passed": False, "gates": [gate | {"demand": "at least 0.58", "missed_by": 0.08}]}
    page = report(read_run(world().run), Evaluation.of(refused), {})
    assert "Refused by the profile demonstration: discrimination." in page
    assert ">0.08<" in page


def test_figures_that_are_unknown_are_told_as_such() -> None:
    found, (data, risk) = evaluated(), discharges(300)
    one = replace(data, label=np.zeros(300, dtype=np.int64), groups={})
    unknown = found | figures(one, risk, {"high": 0.3}, resamples=20) | {"curves": curves(one, risk)}
    unknown["importance"] = {"features": []}
    evaluation = Evaluation.of(unknown)
    pictures = plots(evaluation)
    assert set(pictures) == {"decision_curve.png"}
    page = report(read_run(world().run), evaluation, pictures)
    assert "too few to tell" in page
    assert "of one kind only" in page
    partial = unknown | {"net_benefit": found["net_benefit"] | {"model": None}}
    assert "too few outcomes" in benefit(Evaluation.of(partial))


def test_an_evaluation_that_was_read_is_written_with_the_same_figures() -> None:
    evaluated()
    written = json.loads((world().run / EVALUATION_FILE).read_text(encoding="utf-8"))
    assert Evaluation.of(written).written() == written


def test_pictures_are_png() -> None:
    assert all(png.startswith(SIGNATURE) for png in plots(Evaluation.of(evaluated())).values())


def test_importance_finds_what_tells_and_agrees_with_scikit_learn() -> None:
    data = three_features()
    pipeline = linear([1.5, -0.5, 0.0], data)
    found = importance(pipeline, data)
    assert [feature["feature"] for feature in found["features"]] == ["strong", "weak", "none"]
    strong, weak, none = found["features"]
    assert none["log_loss_rise"]["value"] == 0
    assert strong["log_loss_rise"]["low"] > weak["log_loss_rise"]["high"]
    assert (strong["among_first"], strong["helps"], strong["coefficients"]) == (1, 1, [1.5])
    theirs = permutation_importance(pipeline, data.values, data.label, scoring="roc_auc", n_repeats=10, random_state=0)
    assert strong["auc_drop"] == pytest.approx(theirs.importances_mean[0], abs=0.02)
    losses = permutation_importance(pipeline, data.values, data.label, scoring="neg_log_loss", random_state=0)
    assert strong["log_loss_rise"]["value"] == pytest.approx(losses.importances_mean[0], abs=0.03)
    assert found["stability"]["rank_correlation"] > 0.9


def test_importance_of_one_outcome_is_unknown() -> None:
    data = three_features(100)
    found = importance(linear([1, 1, 1], data), replace(data, label=np.zeros(100, dtype=np.int64)))
    assert found == {"features": [], "stability": {"rank_correlation": None}}


def test_a_model_of_much_data_is_more_stable_than_one_of_little() -> None:
    data = three_features()
    pipeline = linear([1.5, -0.5, 0.0], data)
    many, few = (stability(pipeline, data.rows(np.arange(rows)), data) for rows in (1500, 60))
    assert many["refits"] == few["refits"] == 10
    assert 0 < many["risk_shift"] < few["risk_shift"]
    assert many["score_correlation"] > few["score_correlation"]
    assert many["same_sign"]["strong"] == 1


def test_the_data_contract_sees_drift_and_constant_features() -> None:
    run, data = read_run(world().run), three_features()
    blank, fixed = data.values.copy(), data.values.copy()
    blank[:300, 1] = np.nan
    fixed[:, 2] = 4.0
    same = data_contract(run, data, data)
    assert (same["missingness_drift"], same["constant_features"], same["same_definitions"]) == (0, 0, True)
    drifted = data_contract(run, data, replace(data, values=blank))
    assert drifted["missingness_drift"] == pytest.approx(0.2)
    assert drifted["drifted_feature"] == "weak"
    assert data_contract(run, data, replace(data, values=fixed))["constant_features"] == 1
    assert not data_contract(replace(run, definition_digest="other"), data, data)["same_definitions"]


def test_the_champion_is_held_against_the_same_discharges(tmp_path: Path) -> None:
    evaluated()
    place = release(world().run, version="v1", to=str(tmp_path), signer=LocalSigner(tmp_path / "key")).place
    folder = copy_of_run(tmp_path)
    found = evaluate(folder, baseline=place).baseline
    assert found is not None
    assert found.why == ""
    assert found.roc_auc == read_evaluation(folder).roc_auc
    assert found.over_roc_auc == Spread(value=0, low=0, high=0)
    assert "v1" in (folder / REPORT_FILE).read_text()
    test = read_test(world().run)
    lacking = replace(test, names=test.names[1:], values=test.values[:, 1:])
    other = champion(place, read_run(world().run), lacking)
    assert other.risk is None
    assert test.names[0] in other.why
    assert compared(lacking, np.full(len(test), 0.2), other)["over_roc_auc"] is None
    assert "other feature definitions" in champion(place, replace(read_run(folder), definition_digest="x"), test).note
    with pytest.raises(UserError, match="is not a release"):
        evaluate(folder, baseline=str(tmp_path / "nothing"))


def test_the_difference_is_paired() -> None:
    data, risk = discharges(1500)
    near = np.clip(risk + np.random.default_rng(0).normal(0, 0.005, 1500), 0.001, 0.999)
    found = compared(data, risk, Champion("v1", near), resamples=100)
    width = found["over_roc_auc"]["high"] - found["over_roc_auc"]["low"]
    assert width < 0.2 * (found["roc_auc"]["high"] - found["roc_auc"]["low"])


def test_runs_that_cannot_be_evaluated_are_refused(tmp_path: Path) -> None:
    folder = copy_of_run(tmp_path)
    (folder / TEST_FILE).write_bytes(b"no table")
    with pytest.raises(UserError, match="run train again"):
        evaluate(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="has no evaluation"):
        read_evaluation(tmp_path / "empty")


def test_a_model_without_a_risk_is_refused(tmp_path: Path) -> None:
    folder = copy_of_run(tmp_path)
    fit = read_fit(folder)
    model = DummyClassifier().fit(fit.values, fit.label)
    model.class_prior_ = np.array([np.nan, np.nan])
    content = dumped(Pipeline([("prepare", "passthrough"), ("model", model)]))
    run = json.loads((folder / RUN_FILE).read_text())
    (folder / PIPELINE_FILE).write_bytes(content)
    (folder / RUN_FILE).write_text(json.dumps(run | {"pipeline_sha256": hashlib.sha256(content).hexdigest()}))
    with pytest.raises(GateError, match="prediction is not finite for"):
        evaluate(folder)
