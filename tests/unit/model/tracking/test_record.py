"""What is recorded in MLflow: once each, without a user or a patient, in a file or on a real server."""

import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow import MlflowClient

from model.errors import UserError
from model.evaluation.run import EVALUATION_FILE, evaluate
from model.release.publish import Released, release
from model.release.signing import LocalSigner
from model.tracking.record import RECORD_FILE, record_evaluation, record_training
from model.tracking.registry import record_release
from model.tracking.store import DATABASE, URI, shown
from model.training.run import read_test
from tests.support.model.model_world import world

pytestmark = pytest.mark.process

EXPERIMENT = "readmission-risk/north"
REGISTERED = "readmission-risk-north"


@functools.cache
def evaluated() -> Path:
    evaluate(world().run)
    return world().run


@functools.cache
def empty_database() -> bytes:
    """Return a database with MLflow's tables, made once: that takes seconds."""
    folder = world().root / "empty"
    folder.mkdir()
    os.environ.pop(URI, None)
    shutil.copytree(evaluated(), folder / "run")
    MlflowClient(f"sqlite:///{folder / DATABASE}").search_experiments()
    return (folder / DATABASE).read_bytes()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(URI, raising=False)
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / DATABASE).write_bytes(empty_database())
    return Path(shutil.copytree(evaluated(), tmp_path / "mlruns" / "run"))


def client(run: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{run.parent / DATABASE}")


def only_run(store: MlflowClient) -> Any:
    experiment = store.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (found,) = store.search_runs([experiment.experiment_id])
    return found


def aliases(store: MlflowClient) -> dict[str, str]:
    return {alias: str(version) for alias, version in store.get_registered_model(REGISTERED).aliases.items()}


def released(run: Path, version: str) -> Released:
    return release(run, version=version, to=str(run.parent / "models"), signer=LocalSigner(run.parent / "key"))


def test_training_and_evaluation_are_one_run_recorded_once(run: Path) -> None:
    first = record_training(run)
    assert record_training(run) == record_evaluation(run) == record_evaluation(run) == first
    found = only_run(client(run))
    assert found.info.status == "FINISHED"
    evaluation = json.loads((run / EVALUATION_FILE).read_text())
    assert found.data.metrics["roc_auc.low"] == evaluation["roc_auc"]["low"]
    assert found.data.metrics["data.training_discharges"] > 0
    assert any(name.startswith("candidate.") for name in found.data.metrics)
    assert found.data.tags["gates"] == "passed"
    assert len(found.data.tags["data_digest"]) == 64
    (given,) = found.inputs.dataset_inputs
    assert found.data.tags["data_digest"].startswith(given.dataset.digest)
    there = {file.path for file in client(run).list_artifacts(first, "evaluation")}
    assert {"evaluation/evaluation.json", "evaluation/report.html", "evaluation/plots"} <= there
    assert json.loads((run / RECORD_FILE).read_text())["run_id"] == first


def test_a_record_that_was_lost_is_found_by_what_was_trained(run: Path) -> None:
    first = record_training(run)
    (run / RECORD_FILE).unlink()
    assert record_training(run) == first


def test_the_first_release_is_champion_and_the_next_its_challenger(run: Path) -> None:
    first, second = released(run, "v1"), released(run, "v2")
    assert record_release(run, first) == record_release(run, first) == "1"
    store = client(run)
    assert store.get_model_version_by_alias(REGISTERED, "champion").tags["digest"] == first.digest
    assert record_release(run, second) == "2"
    assert aliases(store) == {"champion": "1", "challenger": "2"}
    record_release(run, second, promote=True)
    assert aliases(store) == {"champion": "2"}
    record_release(run, first, promote=True)
    assert store.get_model_version_by_alias(REGISTERED, "champion").tags["release"] == first.release
    run_id = only_run(store).info.run_id
    assert {file.path for file in store.list_artifacts(run_id, "release")} >= {"release/MODEL_CARD.md"}


def test_no_patient_user_or_host_is_recorded(run: Path) -> None:
    record_release(run, released(run, "v1"))
    written = b"".join(
        path.read_bytes() for path in run.parent.rglob("*") if path.is_file() and run not in path.parents
    )
    record = only_run(client(run))
    for hidden in ("mlflow.user", "mlflow.source.name", "mlflow.source.git.commit"):
        assert hidden not in record.data.tags
    assert socket.gethostname().encode() not in written or len(socket.gethostname()) < 5
    assert "pytest" not in record.data.tags.values()
    assert not any(patient.encode() in written for patient in set(read_test(run).patient))


def test_a_server_that_is_down_is_one_sentence_and_nothing_is_lost(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URI, "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    before = {path.name for path in run.iterdir()}
    with pytest.raises(
        UserError, match=r"MLflow at http://127\.0\.0\.1:9 did not accept the record .* is complete"
    ) as fault:
        record_evaluation(run)
    assert "secret" not in str(fault.value)
    assert {path.name for path in run.iterdir()} == before


def test_a_folder_that_cannot_hold_the_file_is_one_sentence(run: Path) -> None:
    (run.parent / DATABASE).write_bytes(b"not a database")
    with pytest.raises(UserError, match="did not accept the record"):
        record_training(run)


def test_a_secret_in_the_address_is_not_shown() -> None:
    assert shown("https://me:secret@mlflow.example:5000/x") == "https://mlflow.example:5000/x"
    assert shown("sqlite:////tmp/mlflow.db") == "sqlite:////tmp/mlflow.db"


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run MLflow's own server on a free port of the loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "server.db").write_bytes(empty_database())
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder / 'server.db'}",
        "--artifacts-destination",
        str(folder / "kept"),
    ]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | quiet, stdout=log, stderr=log, start_new_session=True)
        address = f"http://127.0.0.1:{port}"
        try:
            _wait(process, f"{address}/health", folder / "server.log")
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


def _wait(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    until = time.monotonic() + 240
    reached = httpx.Client(transport=httpx.HTTPTransport(retries=3), timeout=10)
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            if reached.get(address).status_code == 200:
                return
        except httpx.TransportError:
            continue
    raise AssertionError(log.read_text())


def test_a_real_server_takes_all_of_it(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as address:
        monkeypatch.setenv(URI, address)
        first = record_evaluation(run)
        assert record_evaluation(run) == first
        assert record_release(run, released(run, "v1")) == "1"
        store = MlflowClient(address)
        assert store.get_model_version_by_alias(REGISTERED, "champion").run_id == first
        found = only_run(store)
        assert found.data.metrics["roc_auc.value"] > 0
        assert "mlflow.user" not in found.data.tags
        assert {file.path for file in store.list_artifacts(first, "release")} >= {"release/MODEL_CARD.md"}
