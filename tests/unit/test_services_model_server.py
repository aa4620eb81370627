"""The runtime inside MLServer, and the real server in a process of its own."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mlserver.errors import InferenceError
from mlserver.settings import ModelSettings
from mlserver.types import InferenceRequest, RequestInput

from model.errors import UserError
from model.evaluation.run import EVALUATION_FILE, evaluate
from model.latest import latest
from model.release import files
from model.release.publish import release
from model.release.signing import LocalSigner
from model.scoring import Scorer
from services.model_server import ReadmissionModel
from services.planning import ask
from tests.unit.model_world import world

NAME = "readmission-risk-v1"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    if not (world().run / EVALUATION_FILE).exists():
        evaluate(world().run)
    done = release(world().run, version="v1", to=str(folder), signer=LocalSigner(folder / "key"))
    return Path(done.place)


def loaded(place: Path) -> ReadmissionModel:
    runtime = ReadmissionModel(ModelSettings.parse_file(str(place / files.SERVER_FILE)))
    assert asyncio.run(runtime.load())
    return runtime


def request(columns: dict[str, list[float | None]]) -> InferenceRequest:
    inputs = [
        RequestInput(name=name, datatype="FP64", shape=[len(values), 1], data=values)
        for name, values in columns.items()
    ]
    return InferenceRequest(inputs=inputs)


def test_the_runtime_answers_what_the_release_says(place: Path) -> None:
    discharge = latest(str(world().features), "any")
    columns = {name: column * 2 for name, column in discharge.columns.items()}
    answer = asyncio.run(loaded(place).predict(request(columns)))
    scorer = Scorer.open(str(place))
    wanted = scorer.score(scorer.matrix(columns))
    outputs = {output.name: output.data.root for output in answer.outputs}
    assert outputs["risk"] == [score.risk for score in wanted]
    assert outputs["decision"] == [score.decision for score in wanted]
    assert [reason["feature"] for reason in json.loads(outputs["reasons"][0])] == [r.feature for r in wanted[0].reasons]
    assert answer.model_version == "v1"


def test_a_request_that_does_not_fit_is_refused(place: Path) -> None:
    runtime = loaded(place)
    good = latest(str(world().features), "any").columns
    bad_ones: list[dict[str, list[float | None]]] = [{"age": [1.0]}, good | {"shoe": [1.0]}, good | {"age": [1.0, 2.0]}]
    for bad in bad_ones:
        with pytest.raises(InferenceError, match="features"):
            asyncio.run(runtime.predict(request(bad)))
    text = request(good)
    text.inputs[0].data.root = ["seventy"]
    with pytest.raises(InferenceError, match="numbers or null"):
        asyncio.run(runtime.predict(text))


def test_a_changed_release_is_not_loaded(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place, tmp_path / "changed")
    policy = tmp_path / "changed" / files.POLICY_FILE
    policy.write_bytes(policy.read_bytes().replace(b"high", b"none"))
    runtime = ReadmissionModel(ModelSettings.parse_file(str(tmp_path / "changed" / files.SERVER_FILE)))
    with pytest.raises(UserError, match="is not what was released"):
        asyncio.run(runtime.load())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(place: Path, tmp_path: Path) -> Iterator[str]:
    port, other = free_port(), free_port()
    repository = Path(__file__).resolve().parents[2]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(repository),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_HTTP_PORT": str(port),
        "MLSERVER_GRPC_PORT": str(other),
        "MLSERVER_METRICS_ENDPOINT": "",
        "MLSERVER_PARALLEL_WORKERS": "0",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", "from mlserver.cli import main; main()", "start", str(place)]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, env=env, cwd=tmp_path, stdout=log, stderr=log) as run,
    ):
        yield f"http://127.0.0.1:{port}/v2/models/{NAME}/infer"
        run.terminate()
        run.wait(30)


def test_the_real_server_gives_the_same_risk(server: str, place: Path) -> None:
    discharge = latest(str(world().features), "any")
    answer = ask(server, discharge, patience=60)
    scorer = Scorer.open(str(place))
    assert answer.risk == scorer.score(scorer.matrix(discharge.columns))[0].risk
    assert (answer.model, answer.version, answer.release) == (NAME, "v1", place.name)
    assert len(answer.reasons) == 3
    assert httpx.get(server.replace("/infer", "/ready")).status_code == 200
    refused = httpx.post(server, json={"inputs": [{"name": "age", "datatype": "FP64", "shape": [1], "data": [1]}]})
    assert refused.status_code == 400
    assert "do not fit the model's contract" in refused.json()["error"]
