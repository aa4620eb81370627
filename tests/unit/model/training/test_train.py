"""Training and evaluation: the same input gives the same bytes, and a gate refuses with its reason."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.artifact.files import PIPELINE_FILE
from model.dataset.dataset import labelled
from model.definitions.features import LABEL, definitions
from model.errors import GateError, UserError
from model.evaluation.run import evaluate
from model.features.feature_file import load
from model.gates import gate_table
from model.training.run import RUN_FILE, read_pipeline, read_run, read_test
from model.training.split import is_test
from model.training.train import train
from tests.support.model.model_world import world
from tests.support.model.written_figures import figures

pytestmark = pytest.mark.process


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
    found = figures(test, risk, {"high": run.thresholds["high"]}, resamples=50)
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
    brier = evaluate(tmp_path / "run").brier
    assert brier is not None
    assert brier.value is not None
