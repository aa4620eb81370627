"""What ``make status`` says of the environment, of models and of Jobs."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local import __main__ as command
from local import status
from local.hospitals.hospital_status import SERVICE_LABEL, Cluster, Finding, findings
from local.hospitals.served import Served
from local.netpol.health import Health, serve
from local.paths import Home

Json = dict[str, Any]

NOW = datetime(2026, 5, 2, 12, tzinfo=UTC)
RELEASE = "v1@0123456789ab"
MODEL = "readmission-risk-v1"
LABELS = {"healthcare-mlops/hospital": "north"}
NORTH: Json = {"name": "north"}


def service(ready: str = "True", message: str = "") -> Json:
    conditions = [{"type": "PredictorReady", "status": ready, "message": message}, {"type": "Ready", "status": ready}]
    meta = {"name": MODEL, "namespace": "north-serving", "labels": LABELS}
    return {"metadata": meta, "status": {"conditions": conditions}}


def server(name: str = "server", ready: str = "True") -> Json:
    labels = {**LABELS, "serving.kserve.io/inferenceservice": MODEL}
    return {
        "metadata": {"name": name, "namespace": "north-serving", "labels": labels},
        "spec": {"containers": [{"name": "kserve-container"}]},
        "status": {"podIP": "10.245.0.2", "phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
    }


def cronjob(name: str = "train") -> Json:
    return {"metadata": {"name": name, "namespace": "north-data", "uid": f"uid-{name}", "labels": LABELS}}


def job(
    name: str, condition: str = "", *, at: str = "2026-05-02T09:00:00Z", owner: str = "", message: str = ""
) -> Json:
    meta: Json = {"name": name, "namespace": "north-data", "labels": LABELS, "creationTimestamp": at}
    if owner:
        meta["ownerReferences"] = [{"uid": owner}]
    state: Json = {"startTime": at}
    if condition:
        state |= {"completionTime": at}
        state["conditions"] = [{"type": condition, "status": "True", "lastTransitionTime": at, "message": message}]
    return {"metadata": meta, "spec": {}, "status": state}


def pod_of(name: str, **state: Any) -> Json:
    labels = {**LABELS, "batch.kubernetes.io/job-name": name}
    return {"metadata": {"name": f"{name}-x", "namespace": "north-data", "labels": labels}, "spec": {}, "status": state}


def look(
    *,
    services: tuple[Json, ...] = (),
    pods: tuple[Json, ...] = (),
    cronjobs: tuple[Json, ...] = (),
    jobs: tuple[Json, ...] = (),
    entry: Json = NORTH,
    remark: str = "",
    others: tuple[Served, ...] = (),
) -> dict[str, Finding]:
    models = {"north": [Served("north", RELEASE, remark), *others]}
    found = findings(Cluster(services, pods, cronjobs, jobs), [entry], models, NOW)
    return {one.subject.partition(" ")[0]: one for one in found}


def test_a_model_that_answers_is_well() -> None:
    found = look(services=(service(),), pods=(server(),))["model"]
    assert (found.problem, found.state) == ("", "ready, evaluated")


def test_a_further_model_is_shown_by_its_name() -> None:
    boosted = Served("north", "v2@0123456789ab", "", "boosted")
    found = look(services=(service(),), pods=(server(),), others=(boosted,))
    assert (found["model"].problem, found["boosted"].subject) == ("", "boosted v2@0123456789ab")
    assert found["boosted"].problem == "there is no InferenceService"


def test_a_model_that_was_not_evaluated_runs_and_says_so() -> None:
    found = look(services=(service(),), pods=(server(),), remark="not evaluated: too few")["model"]
    assert (found.problem, found.state) == ("", "not evaluated: too few")


def test_a_model_that_one_of_its_servers_unloaded_is_not_well() -> None:
    found = look(services=(service(),), pods=(server("one"), server("two", "False")))["model"]
    assert found.problem == "two has not loaded the model (its readiness probe fails)"
    assert "rollout restart deployment -n north-serving readmission-risk-v1-predictor" in found.advice


@pytest.mark.parametrize(
    ("services", "pods", "problem"),
    [
        ((), (), "there is no InferenceService"),
        ((service("False", "image missing"),), (server(),), "the InferenceService is not ready: image missing"),
        ((service("Unknown"),), (server(),), "the InferenceService is not ready: no state yet"),
        (({**service(), "status": {}},), (server(),), "the InferenceService is not ready: no state yet"),
        ((service(),), (), "no model server runs"),
        ((service(),), ({**server(), "status": {}},), "no model server runs"),
    ],
)
def test_what_is_wrong_with_a_model_is_said_with_advice(
    services: tuple[Json, ...], pods: tuple[Json, ...], problem: str
) -> None:
    found = look(services=services, pods=pods)["model"]
    assert found.problem == problem
    assert found.advice


def test_each_release_of_a_hospital_is_shown_with_what_it_does() -> None:
    second = "readmission-risk-v2"
    canary = {**service(), "metadata": {**service()["metadata"], "name": second}}
    pod = server("canary")
    pod["metadata"]["labels"]["serving.kserve.io/inferenceservice"] = second
    others = (Served("north", "v2@0123456789ab", "", "canary"), Served("north", "v3@0123456789ab", "", "previous"))
    found = look(services=(service(), canary), pods=(server(), pod), others=others)
    assert [found[name].problem for name in ("model", "canary")] == ["", ""]
    assert found["canary"].subject == "canary v2@0123456789ab"
    assert found["previous"].problem == "there is no InferenceService"


def test_a_stopped_canary_says_why_and_how_it_is_withdrawn() -> None:
    others = (Served("north", "v1@ba9876543210", "", "canary", "stopped at 2026-05-02 09:00 UTC: error-rate"),)
    canary = look(services=(service(),), pods=(server(),), others=others)["canary"]
    assert canary.problem == "there is no InferenceService"
    found = findings(Cluster((service(),), (server(),), (), ()), [NORTH], {"north": others}, NOW)
    assert [(one.problem, one.advice) for one in found] == [
        ("stopped at 2026-05-02 09:00 UTC: error-rate", "`make rollback HOSPITAL=north` withdraws it")
    ]


def test_a_model_server_of_no_release_is_not_well() -> None:
    other = {**service(), "metadata": {**service()["metadata"], "name": "readmission-risk-v9"}}
    found = look(services=(service(), other), pods=(server(),))
    assert found["model"].subject == "model server readmission-risk-v9"
    assert found["model"].advice == "`make up` removes it"


def test_a_hospital_without_a_release_is_not_well_unless_it_leaves() -> None:
    entries = [{"name": "east"}, {"name": "west", "leaving": "closed"}]
    east, west = findings(Cluster((), (), (), ()), entries, {}, now=NOW)
    assert (east.problem, east.advice) == ("no release is named", "`make up` trains one and serves it")
    assert (west.problem, west.state) == ("", "leaving: closed")


def test_the_last_job_of_each_cronjob_counts() -> None:
    jobs = (
        job("train-1", "Failed", at="2026-05-01T09:00:00Z", message="boom"),
        job("train-2", "Complete", at="2026-05-02T09:00:00Z"),
        job("train-again-1", "Failed", owner="uid-other"),
        job("train-deep-1", "Failed", message="too deep", at="2026-05-02T11:58:30Z"),
    )
    found = look(cronjobs=(cronjob("train"), cronjob("train-deep"), cronjob("features")), jobs=jobs)
    assert (found["train"].problem, found["train"].state) == ("", "complete 3 hours ago")
    assert found["train-deep"].problem == "Job train-deep-1 failed 90 s ago: too deep"
    assert found["train-deep"].advice == "`kubectl logs -n north-data job/train-deep-1 --all-containers`"
    assert found["features"].state == "has not run"


@pytest.mark.parametrize(
    ("at", "pods", "problem"),
    [
        ("2026-05-02T11:59:00Z", (), ""),
        ("2026-05-02T11:00:00Z", (), "Job train-1 waits: no pod was started"),
        ("2026-05-02T11:00:00Z", (pod_of("train-1", phase="Running"),), ""),
        (
            "2026-05-02T11:00:00Z",
            (
                pod_of(
                    "train-1",
                    phase="Pending",
                    conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: no memory"}],
                ),
            ),
            "Job train-1 waits: 0/1 nodes: no memory",
        ),
        (
            "2026-05-02T11:00:00Z",
            (
                pod_of(
                    "train-1",
                    phase="Pending",
                    containerStatuses=[{"name": "train", "state": {"waiting": {"reason": "ErrImagePull"}}}],
                ),
            ),
            "Job train-1 waits: train ErrImagePull",
        ),
    ],
)
def test_a_job_that_waits_for_too_long_is_not_well(at: str, pods: tuple[Json, ...], problem: str) -> None:
    assert look(cronjobs=(cronjob(),), jobs=(job("train-1", at=at),), pods=pods)["train"].problem == problem


def test_what_is_not_well_is_shown_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(status, "Console", lambda **_: Console(file=shown, width=200, highlight=False))
    found = status.Status(
        running=True,
        parts=(
            status.Row("aws", "the emulator", "127.0.0.1:1", 3, ""),
            status.Row("etcd", "cluster state", "127.0.0.1:2", 3, "does not answer [x]", "`make logs NAME=etcd`"),
        ),
        hospitals=(
            Finding("north", "train", problem="failed", advice="read its log"),
            Finding("north", "features", "ok"),
        ),
    )
    status.show(Home(tmp_path), found)
    lines = shown.getvalue().splitlines()
    assert lines[-2:] == [
        "not well  etcd: does not answer [x]; `make logs NAME=etcd`",
        "not well  north train: failed; read its log",
    ]
    assert found.as_dict()["well"] is False


def test_a_networkpolicy_that_the_enforcer_closed_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "NetworkPolicy n/p closes its pods: why"
    server = serve("127.0.0.1:0", Health(problem="", closed=(line,)))
    try:
        monkeypatch.setattr(status, "NETPOL_HEALTH_URL", f"http://127.0.0.1:{server.server_port}/healthz")
        [row] = status._closed_policies()
    finally:
        server.shutdown()
        server.server_close()
    assert row.problem == line
    assert row.advice


def test_a_stopped_environment_is_one_sentence_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HMLOPS_HOME", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["local", "status"])
    assert command.main() == 1
    assert capsys.readouterr().out == "The environment is not running: run `make up`.\n"
    monkeypatch.setattr("sys.argv", ["local", "status", "--json"])
    assert command.main() == 1
    assert json.loads(capsys.readouterr().out) == {"well": False, "running": False, "parts": [], "hospitals": []}


def test_an_unknown_command_is_no_stack_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["local", "state"])
    assert command.main() == 2
    said = capsys.readouterr().err
    assert "No such command" in said
    assert "Traceback" not in said


def deployment(name: str, available: int, replicas: int = 1, labels: Json | None = None) -> Json:
    meta = {"name": name, "namespace": "north-phi", "labels": {**LABELS, **(labels or {})}}
    return {"metadata": meta, "spec": {"replicas": replicas}, "status": {"availableReplicas": available}}


def test_each_service_is_ready_or_has_advice() -> None:
    deployments = (
        deployment("care", 1, 2),
        deployment("planner", 0),
        deployment("off", 0, 0),
        deployment("readmission-risk-v1-predictor", 0, labels={SERVICE_LABEL: "readmission-risk-v1"}),
    )
    found = findings(Cluster((), (), (), (), deployments), [{"name": "north", "leaving": "closed"}], {}, now=NOW)
    assert [(one.subject, one.state, one.problem) for one in found[1:]] == [
        ("care", "1 of 2 ready", ""),
        ("planner", "", "no pod is ready"),
    ]
    assert "kubectl describe -n north-phi deployment/planner" in found[2].advice


@pytest.mark.parametrize(
    "arguments", [["env"], ["discharge", "north"], ["program", "north", "/v1/scores"], ["one-time-password", "n", "c"]]
)
def test_a_command_before_the_first_start_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setenv("HMLOPS_HOME", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["local", *arguments])
    assert command.main() == 2
    assert "There is no environment in" in capsys.readouterr().err
