"""Training and evaluation: the same input gives the same bytes, and a gate refuses with its reason."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from model import metrics
from model.dataset import labelled
from model.errors import GateError, UserError
from model.evaluation import evaluate, figures, refuse
from model.features.build import load
from model.features.definitions import LABEL, definitions
from model.gates import gate_table, judge
from model.training.run import PIPELINE_FILE, RUN_FILE, read_pipeline, read_run, read_test
from model.training.split import is_test
from model.training.train import train
from tests.unit.model_world import world


def part(tmp_path: Path, table: pa.Table) -> str:
    pq.write_table(table, tmp_path / "part.parquet")
    return str(tmp_path / "part.parquet")


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    train(str(world().features), out=tmp_path, profile="demonstration", gates=gate_table())
    for name in (PIPELINE_FILE, RUN_FILE):
        assert (tmp_path / name).read_bytes() == (world().run / name).read_bytes()


def test_no_patient_is_on_both_sides() -> None:
    data = labelled(load(str(world().features))[0], definitions().names)
    test = is_test(data.patient)
    assert not set(data.patient[test]) & set(data.patient[~test])
    assert 0.1 < test.mean() < 0.4


def test_the_model_learns_and_is_honest() -> None:
    run = read_run(world().run)
    test = read_test(world().run)
    risk = read_pipeline(world().run, run).predict_proba(test.values)[:, 1]
    found = figures(test, risk, run.thresholds["high"])
    assert found["roc_auc"]["value"] > 0.55
    assert found["roc_auc"]["low"] <= found["roc_auc"]["value"] <= found["roc_auc"]["high"]
    assert abs(float(risk.mean()) - float(test.label.mean())) < 0.1
    assert run.thresholds["high"] > run.thresholds["medium"] > run.thresholds["low"]


def test_a_pipeline_that_was_exchanged_is_not_loaded(tmp_path: Path) -> None:
    run = train(str(world().features), out=tmp_path, profile="demonstration", gates=gate_table())
    (tmp_path / PIPELINE_FILE).write_bytes(b"something else")
    with pytest.raises(UserError, match="not the pipeline that was trained"):
        read_pipeline(tmp_path, run)


@pytest.mark.parametrize(("rows", "why"), [(10, "discharges to train on"), (0, "discharges to train on")])
def test_too_little_data_is_refused(tmp_path: Path, rows: int, why: str) -> None:
    table, _ = load(str(world().features))
    with pytest.raises(GateError, match=why):
        train(part(tmp_path, table.slice(0, rows)), out=tmp_path / "run", profile="clinical", gates=gate_table())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("outcome", [True, False])
def test_one_outcome_only_is_refused(tmp_path: Path, outcome: bool) -> None:
    table, _ = load(str(world().features))
    place = table.column_names.index(LABEL)
    same = table.set_column(place, LABEL, pa.array([outcome] * table.num_rows))
    with pytest.raises(GateError):
        train(part(tmp_path, same), out=tmp_path / "run", profile="demonstration", gates=gate_table())


def test_constant_and_empty_features_do_no_harm(tmp_path: Path) -> None:
    table, _ = load(str(world().features))
    for name, value in {"diabetes": 0.0, "sodium_last": None, "age": 70.0}.items():
        column = pa.array([value] * table.num_rows, pa.float64())
        table = table.set_column(table.column_names.index(name), name, column)
    train(part(tmp_path, table), out=tmp_path / "run", profile="demonstration", gates=gate_table())
    assert np.isfinite(evaluate(tmp_path / "run")["brier"]["value"])


def test_a_refusal_says_which_gate_and_by_how_much(tmp_path: Path) -> None:
    strict = gate_table().model_dump()
    strict["profiles"]["demonstration"]["gates"] = [{"name": "magic", "metric": "roc_auc.low", "at_least": 0.99}]
    (tmp_path / "gates.yaml").write_text(json.dumps(strict))
    gates = gate_table(tmp_path / "gates.yaml")
    train(str(world().features), out=tmp_path / "run", profile="demonstration", gates=gates)
    found = evaluate(tmp_path / "run")
    assert not found["passed"]
    with pytest.raises(GateError, match=r"magic is 0\.\d+, not at least 0\.99"):
        refuse(found)


def test_a_figure_that_is_unknown_does_not_pass() -> None:
    verdicts = judge(gate_table().profile("clinical"), {"counts": {"discharges": 500}})
    assert [v.name for v in verdicts if v.passed] == ["enough test discharges"]


@pytest.mark.parametrize("content", ["version: 1", "[", "profiles: {x: 1}"])
def test_a_broken_gates_file_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "gates.yaml").write_text(content)
    with pytest.raises(UserError, match="is not valid"):
        gate_table(tmp_path / "gates.yaml")


def test_unknown_profiles_and_files_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="clinical, demonstration"):
        gate_table().profile("wish")
    with pytest.raises(UserError, match="no gates file"):
        gate_table(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="not the folder of a training run"):
        evaluate(tmp_path)


def test_the_figures_know_perfect_and_useless_scores() -> None:
    chance = np.random.default_rng(0)
    risk = chance.uniform(0.02, 0.9, 4000)
    label = (chance.random(4000) < risk).astype(np.int64)
    known = metrics.calibration(label, risk)
    assert known["slope"] == pytest.approx(1, abs=0.1)
    assert known["intercept"] == pytest.approx(0, abs=0.15)
    assert known["ece"] < 0.04
    assert metrics.brier_skill(label, np.full(4000, label.mean())) == pytest.approx(0, abs=1e-9)
    assert metrics.roc_auc(label, label.astype(float)) == 1
    assert metrics.roc_auc(label, risk.round(1)) == pytest.approx(roc_auc_score(label, risk.round(1)), abs=1e-12)
    assert metrics.brier(label, risk) == pytest.approx(brier_score_loss(label, risk), abs=1e-12)
    patients = np.array([str(i // 4) for i in range(4000)])
    spread = metrics.interval(lambda rows: metrics.roc_auc(label[rows], risk[rows]), label, patients)
    assert spread is not None
    assert spread.low < spread.value < spread.high
    assert metrics.interval(lambda _rows: 0.0, np.zeros(5, dtype=np.int64), patients[:5]) is None
