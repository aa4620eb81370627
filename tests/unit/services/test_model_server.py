"""The runtime inside MLServer, and the real server in a process of its own."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from mlserver.errors import InferenceError
from mlserver.settings import ModelSettings
from mlserver.types import InferenceRequest, RequestInput
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay

from model.artifact import files
from model.artifact.trust import TRUSTED_KEYS
from model.release.signing import LocalSigner
from model.scoring import Scorer
from model.scoring.latest_discharge import latest
from services.model_server import RELEASE, ReadmissionModel
from services.planning.open_inference import request_body
from tests.support.model.gates_world import forged, prepared, published
from tests.support.model.model_world import world
from tests.support.repository import REPOSITORY
from tests.support.serving.model_servers import NAME, Server, copied, released, serving, without_compiled_model

pytestmark = pytest.mark.process

T = TypeVar("T")


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine gives, without taking the thread's own event loop away from other tests."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return released(tmp_path_factory.mktemp("release"))


@pytest.fixture
def key(place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Trust the key that signed the release, as the platform tells the server to."""
    found = LocalSigner(place.parents[1] / "key").public_keys()["v1"]
    monkeypatch.setenv(TRUSTED_KEYS, found)
    return found


def runtime_of(place: Path) -> ReadmissionModel:
    return ReadmissionModel(ModelSettings.parse_file(str(place / files.SERVER_FILE)))


def loaded(place: Path) -> ReadmissionModel:
    runtime = runtime_of(place)
    assert finished(runtime.load())
    return runtime


def refused(place: Path, caplog: pytest.LogCaptureFixture) -> str:
    """Return why a release was not loaded: the one sentence of the log."""
    caplog.clear()
    runtime = runtime_of(place)
    assert finished(runtime.load()) is False
    with pytest.raises(InferenceError, match="not ready"):
        finished(runtime.predict(request({"age": [1.0]})))
    [sentence] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    return sentence


def request(columns: dict[str, list[float | None]]) -> InferenceRequest:
    inputs = [
        RequestInput(name=name, datatype="FP64", shape=[len(values), 1], data=values)
        for name, values in columns.items()
    ]
    return InferenceRequest(inputs=inputs)


def test_the_runtime_answers_what_the_release_says(place: Path, key: str) -> None:
    discharge = latest(str(world().features), "any")
    columns = {name: column * 2 for name, column in discharge.columns.items()}
    answer = finished(loaded(place).predict(request(columns)))
    scorer = Scorer.open(str(place))
    wanted = scorer.score(scorer.matrix(columns))
    outputs = {output.name: output.data.root for output in answer.outputs}
    assert outputs["risk"] == [score.risk for score in wanted]
    assert outputs["decision"] == [score.decision for score in wanted]
    assert [reason["feature"] for reason in json.loads(outputs["reasons"][0])] == [r.feature for r in wanted[0].reasons]
    assert answer.model_version == "v1"


def parameters(place: Path) -> dict[str, Any]:
    answer = finished(loaded(place).predict(request(latest(str(world().features), "any").columns)))
    return dict(answer.parameters or {})


def test_every_answer_says_whether_the_model_was_evaluated(
    place: Path, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = parameters(place)
    assert (found["evaluated"], found["caution"]) == (True, "")
    too_few = {"counts": {"discharges": 812, "patients": 500, "readmissions": 2}, "roc_auc": None}
    done = published(tmp_path, prepared(tmp_path, "demonstration", figures=too_few))
    monkeypatch.setenv(TRUSTED_KEYS, LocalSigner(tmp_path / "key").public_keys()["v1"])
    found = parameters(Path(done.place))
    assert found["evaluated"] is False
    assert "not evaluated: this model's performance is unknown (2 readmissions" in found["caution"]
    assert any("not evaluated" in record.getMessage() for record in caplog.records if record.levelname == "WARNING")


def test_a_request_that_does_not_fit_is_refused(place: Path, key: str) -> None:
    runtime = loaded(place)
    good = latest(str(world().features), "any").columns
    bad_ones: list[dict[str, list[float | None]]] = [{"age": [1.0]}, good | {"shoe": [1.0]}, good | {"age": [1.0, 2.0]}]
    for bad in bad_ones:
        with pytest.raises(InferenceError, match="features"):
            finished(runtime.predict(request(bad)))
    text = request(good)
    text.inputs[0].data.root = ["seventy"]
    with pytest.raises(InferenceError, match="numbers or null"):
        finished(runtime.predict(text))


def test_the_same_input_twice_and_an_impossible_value_are_refused(place: Path, key: str) -> None:
    runtime = loaded(place)
    good = latest(str(world().features), "any").columns
    twice = request(good)
    twice.inputs.append(twice.inputs[0])
    with pytest.raises(InferenceError, match="same name"):
        finished(runtime.predict(twice))
    with pytest.raises(InferenceError, match=r"age is outside the possible range \(0 to 130 years\)") as fault:
        finished(runtime.predict(request(good | {"age": [977.0]})))
    assert "977" not in str(fault.value)


def test_a_changed_release_is_not_loaded(
    place: Path, key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(place, tmp_path / "changed")
    policy = tmp_path / "changed" / files.POLICY_FILE
    policy.write_bytes(policy.read_bytes().replace(b"high", b"none"))
    assert "is not what was released" in refused(tmp_path / "changed", caplog)


def test_a_release_is_loaded_wherever_the_platform_mounts_it(place: Path, key: str, tmp_path: Path) -> None:
    shutil.copytree(place, tmp_path / "models")
    assert loaded(tmp_path / "models").scorer is not None


def reweighted(document: dict[str, Any]) -> None:
    next(feature for feature in document["features"] if feature["weight"])["weight"] += 0.25


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (reweighted, "predictions differ from the evaluated pipeline's"),
        (lambda document: document.update(intercept=document["intercept"] + 1e-9), "predictions differ"),
        (lambda document: document.update(pipeline_sha256="1" * 64), "is of another pipeline"),
        (lambda document: document["names"].reverse(), "has other features than its contract"),
        (lambda document: document["features"].pop(), "cannot be read"),
        (lambda document: document.update(kind="trees"), "cannot be read"),
    ],
)
def test_a_compiled_model_of_something_else_is_not_loaded_even_with_the_trusted_key(
    place: Path,
    key: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[dict[str, Any]], object],
    says: str,
) -> None:
    own = copied(place, tmp_path)
    document = json.loads((own / files.COMPILED_FILE).read_text())
    change(document)
    assert says in refused(Path(forged(tmp_path, str(own), files.COMPILED_FILE, **document)), caplog)


def test_a_changed_compiled_model_and_that_of_another_release_are_not_loaded(
    place: Path, key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = copied(place, tmp_path / "own")
    compiled = own / files.COMPILED_FILE
    compiled.write_bytes(compiled.read_bytes() + b" ")
    assert "compiled.json is not what was released" in refused(own, caplog)
    compiled.unlink()
    assert "compiled.json is not what was released" in refused(own, caplog)
    other = released(tmp_path / "other", "v2")
    shutil.copy(place / files.PIPELINE_FILE, own / files.PIPELINE_FILE)
    compiled.write_bytes((other / files.COMPILED_FILE).read_bytes().replace(b"imputed", b"imputes", 1))
    assert "compiled.json is not what was released" in refused(own, caplog)


def test_a_release_from_before_compiled_models_is_served_with_its_pipeline(
    place: Path, key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = loaded(without_compiled_model(tmp_path, copied(place, tmp_path)))
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.endswith("has no compiled model, so scores take longer.")
    asked = request(latest(str(world().features), "any").columns)
    answers = [finished(runtime.predict(asked)) for runtime in (old, loaded(place))]
    one, other = ({output.name: output.data.root for output in answer.outputs} for answer in answers)
    assert one["risk"] == pytest.approx(other["risk"], abs=1e-12)
    assert [one[name] for name in ("decision", "reasons")] == [other[name] for name in ("decision", "reasons")]


def test_a_release_is_served_without_scikit_learn_and_without_an_unpickler(place: Path, key: str) -> None:
    code = (
        "import sys; from services.model_server import opened; scorer = opened(sys.argv[1]);"
        "scorer.score(scorer.contract.usual.reshape(1, -1));"
        "print([name for name in ('sklearn', 'joblib', 'scipy') if name in sys.modules])"
    )
    environment = os.environ | {TRUSTED_KEYS: key, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", code, str(place)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_only_a_release_of_a_trusted_key_is_loaded(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(TRUSTED_KEYS, raising=False)
    assert "no release can be trusted" in refused(place, caplog)
    stranger = LocalSigner(tmp_path / "stranger").public_keys()["v1"]
    monkeypatch.setenv(TRUSTED_KEYS, stranger)
    assert "signed by a key that is not trusted" in refused(place, caplog)
    monkeypatch.setenv(TRUSTED_KEYS, "not-a-key")
    assert "must hold Ed25519 public keys" in refused(place, caplog)
    own = LocalSigner(place.parents[1] / "key").public_keys()["v1"]
    monkeypatch.setenv(TRUSTED_KEYS, f"{stranger},{own}")
    assert loaded(place).scorer is not None


def test_only_the_release_that_was_deployed_is_loaded(
    place: Path, key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(RELEASE, f"v1@{place.name}")
    assert loaded(place).scorer is not None
    monkeypatch.setenv(RELEASE, "v1@0123456789ab")
    assert f"its digest is {place.name}, not 0123456789ab" in refused(place, caplog)
    monkeypatch.setenv(RELEASE, f"v2@{place.name}")
    assert "is v1, not the v2 that was deployed" in refused(place, caplog)


def test_the_real_server_never_gets_ready_with_a_stranger_s_release(place: Path, tmp_path: Path) -> None:
    stranger = LocalSigner(tmp_path / "stranger").public_keys()["v1"]
    with serving(place, stranger, tmp_path) as server:
        live = Retrying(retry=retry_if_exception_type(httpx.TransportError), stop=stop_after_delay(60), reraise=True)
        own = server.client()
        live(own.get, f"{server.url.partition('/v2/')[0]}/v2/health/live").raise_for_status()
        told = Retrying(retry=retry_if_result(lambda text: "Not ready" not in text), stop=stop_after_delay(60))
        assert "signed by a key that is not trusted; do not use it." in told(server.log.read_text)
        assert own.get(f"{server.url}/ready").status_code == 503
        assert own.post(f"{server.url}/infer", json={"inputs": []}).status_code >= 400
        assert "Traceback" not in server.log.read_text()


@pytest.fixture
def server(place: Path, key: str, tmp_path: Path) -> Iterator[Server]:
    with serving(place, key, tmp_path) as found:
        yield found


def test_the_real_server_gives_the_same_risk(server: Server, place: Path) -> None:
    discharge = latest(str(world().features), "any")
    own = server.client()
    ready = Retrying(
        retry=retry_if_exception_type(httpx.TransportError) | retry_if_result(lambda reply: reply.status_code != 200),
        stop=stop_after_delay(60),
        reraise=True,
    )
    ready(own.get, f"{server.url}/ready")
    answer = own.post(f"{server.url}/infer", json=request_body(discharge.columns)).json()
    outputs = {output["name"]: output["data"][0] for output in answer["outputs"]}
    scorer = Scorer.open(str(place))
    risk = scorer.score(scorer.matrix(discharge.columns))[0].risk
    assert outputs["risk"] == risk
    assert (answer["model_name"], answer["model_version"], answer["parameters"]["release"]) == (NAME, "v1", place.name)
    assert len(json.loads(outputs["reasons"])) == 3
    refused = own.post(
        f"{server.url}/infer", json={"inputs": [{"name": "age", "datatype": "FP64", "shape": [1], "data": [1]}]}
    )
    assert refused.status_code == 400
    assert "do not match the model's contract" in refused.json()["error"]
    shown = httpx.get(server.figures).text
    assert f'readmission_risk_count{{model_name="{NAME}",model_version="v1"}} 1.0' in shown
    assert f'readmission_risk_sum{{model_name="{NAME}",model_version="v1"}} {risk}' in shown
    # What the alerts are about besides.
    assert "rest_server_requests_total{" in shown
    assert "rest_server_request_duration_seconds_bucket{" in shown
