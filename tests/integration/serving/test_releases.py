"""A second release: a canary of some encounters, promoted, rolled back while requests pass, and as a further model."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from kubernetes import client
from rich.console import Console

from local.hospitals import delivery, patient_record, pipeline, sign_in
from local.hospitals.delivery import Delivered
from local.hospitals.patient_record import Stay
from local.hospitals.program_client import ProgramClient
from local.paths import REPOSITORY, Home
from local.progress import steps_on
from local.stack import jobs, rollouts
from local.stack.settings import RELEASE_FIELDS, further_models, releases_of
from local.stack.stack import Stack
from model.artifact import files
from model.warehouse.tables import FEATURES, SCHEMA
from tests.integration.care.clinic import Clinic, Json
from tests.integration.gateway.gateway_callers import SCORES, Callers
from tests.integration.gateway.live_load import HOOK, LiveLoad, unrecorded
from tests.integration.support import eventually
from tests.support.stack.service_accounts import CLINIC

pytestmark = pytest.mark.skipif(not CLINIC, reason="the stack has no gateway")
HOSPITAL = "north"
PROMOTION = {
    "promotion.version": "v2",
    "promotion.approvedBy": "clinical-safety-officer:jane.doe",
    "promotion.reason": "trial of releases in motion",
}
MOST_STAYS = 12
MODEL, RESEARCH = "readmission-boosted", "north-research"
BY_MODEL = f"/v1/models/{MODEL}/scores"
Property = Callable[[str, object], None]


@pytest.fixture(scope="module")
def stack(home: Home) -> Stack:
    return Stack(home)


@pytest.fixture(scope="module")
def active(stack: Stack) -> str:
    return releases_of(stack.named(HOSPITAL))["release"]


def update(stack: Stack) -> None:
    with steps_on(Console(file=StringIO()))() as tell:
        stack.up(tell)


@pytest.fixture(scope="module")
def second(stack: Stack, active: str, home: Home) -> Iterator[str]:
    """Publish a second version by the hospital's own Job, and afterwards serve what was served before."""
    store = pipeline.storage()
    found = [one for one in pipeline.releases(store, HOSPITAL) if one.startswith("v2@")]
    if not found:
        stack.set_fields(HOSPITAL, {"promotion.candidate": _candidate(store), **PROMOTION})
        update(stack)
        with jobs.connect(home) as api:
            jobs.ensure(api, jobs.Run(f"{HOSPITAL}-data", "release", "second"), tell=lambda _: None)
        stack.unset_field(HOSPITAL, "promotion")
        found = [one for one in pipeline.releases(store, HOSPITAL) if one.startswith("v2@")]
    yield found[-1]
    stack.set_fields(HOSPITAL, {"release": active})
    stack.unset_releases(HOSPITAL, [field for field in RELEASE_FIELDS if field != "release"])
    update(stack)
    sign_in.apply(home, stack.working(), stack.gateway)


def _candidate(store: Any) -> str:
    """Return the newest candidate of training."""
    pages = store.get_paginator("list_objects_v2").paginate(
        Bucket=pipeline.bucket(HOSPITAL, "curated"), Prefix="candidates/"
    )
    entries = [entry for page in pages for entry in page.get("Contents", [])]
    newest = max(entries, key=lambda entry: entry["LastModified"])
    return str(newest["Key"]).split("/")[1]


def answering(clinic: Clinic, stay: Stay) -> str:
    """Return the version that answers a stay's hook, by the audit record of the answer."""
    _, record = clinic.card(stay)
    return str(record["release"]["version"])


@pytest.fixture(scope="module")
def stays(clinic: Clinic) -> list[Stay]:
    return patient_record.ongoing(clinic.files)[:MOST_STAYS]


@pytest.fixture(scope="module")
def canary(stack: Stack, active: str, second: str) -> str:
    stack.set_fields(HOSPITAL, {"release": active, "canary.release": second, "canary.percent": "50"})
    update(stack)
    return second


def test_a_canary_answers_some_encounters_and_keeps_them(clinic: Clinic, canary: str, stays: list[Stay]) -> None:
    of_canary = canary.partition("@")[0]
    # A process of planning that has not read yet whether the canary is stopped gives it nothing.
    eventually(lambda: of_canary in {answering(clinic, stay) for stay in stays}, 180)
    first = [answering(clinic, stay) for stay in stays]
    assert set(first) == {"v1", of_canary}
    for version in set(first):
        stay = stays[first.index(version)]
        assert answering(clinic, stay) == version


def test_a_promoted_canary_answers_all(clinic: Clinic, home: Home, stack: Stack, active: str, canary: str) -> None:
    delivered = delivery.promote(home, HOSPITAL, steps_on(Console(file=StringIO())))
    assert delivered.answers == canary
    assert releases_of(stack.named(HOSPITAL)) == {"release": canary, "previous": active}
    assert answering(clinic, clinic.stay("medicine")) == canary.partition("@")[0]


def test_a_rollback_loses_no_request(
    clinic: Clinic, home: Home, stack: Stack, active: str, canary: str, record_property: Property
) -> None:
    before = clinic.last_record()
    with LiveLoad(clinic, Callers(home, HOSPITAL), clinic.stay("medicine")) as load:
        load.wait_for_each(time.monotonic())
        started, moment = datetime.now(UTC), time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "local", "rollback", HOSPITAL],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        record_property("command_seconds", time.monotonic() - moment)
        load.wait_for_each(time.monotonic(), times=2)
    assert releases_of(stack.named(HOSPITAL)) == {"release": active, "previous": canary}
    # On a busy machine the gateway may not wait for a card, which is made and recorded all the same.
    assert [one for one in load.attempts if one.status != 200 and (one.client, one.status) != (HOOK, 504)] == []
    assert unrecorded(clinic, load.attempts, before) == []
    records = clinic.records_after(before)
    assert "model-unavailable" not in {one.get("fallback_reason") for one in records}
    answered = [one for one in records if one.get("release")]
    first = next(one for one in answered if one["release"]["version"] == "v1")
    seconds = (datetime.fromisoformat(first["occurred_at"]) - started).total_seconds()
    record_property("seconds_until_it_answers", seconds)
    record_property("requests", json.dumps(Counter(one.client for one in load.attempts)))
    assert answered[-1]["release"]["version"] == "v1"


def test_each_release_has_its_own_pods(home: Home, canary: str) -> None:
    with jobs.connect(home) as api:
        core: Any = client.CoreV1Api(api)
        pods = core.list_namespaced_pod(f"{HOSPITAL}-serving").items
    served = {pod.metadata.labels.get("serving.kserve.io/inferenceservice") for pod in pods}
    assert {"readmission-risk-v1", f"readmission-risk-{canary.partition('@')[0]}"} <= served


def test_a_canary_is_withdrawn_with_its_servers(home: Home, stack: Stack, active: str, second: str) -> None:
    stack.unset_releases(HOSPITAL, [field for field in RELEASE_FIELDS if field != "release"])
    stack.set_fields(HOSPITAL, {"release": active, "canary.release": second, "canary.percent": "50"})
    update(stack)
    assert delivery.roll_back(home, HOSPITAL, steps_on(Console(file=StringIO()))) == Delivered(active, second)
    assert releases_of(stack.named(HOSPITAL)) == {"release": active}
    with jobs.connect(home) as api:
        core: Any = client.CoreV1Api(api)
        label = f"serving.kserve.io/inferenceservice=readmission-risk-{second.partition('@')[0]}"
        eventually(lambda: not core.list_namespaced_pod(f"{HOSPITAL}-serving", label_selector=label).items, 120)


@pytest.fixture(scope="module")
def model(stack: Stack, home: Home, active: str, second: str) -> str:
    """Serve the second release as a further model, which a program of its own may ask."""
    stack.unset_releases(HOSPITAL, [field for field in RELEASE_FIELDS if field != "release"])
    fields = {"name": MODEL, "release": second, "applications[0]": RESEARCH}
    stack.set_fields(HOSPITAL, {"release": active, **{f"models[0].{field}": value for field, value in fields.items()}})
    assert further_models(stack.named(HOSPITAL)) == {MODEL: second}
    sign_in.apply(home, stack.working(), stack.gateway)
    update(stack)
    with jobs.connect(home) as api:
        rollouts.wait(api, f"{HOSPITAL}-serving", "planner")
    return second


def test_a_further_model_answers_its_own_program_alone(clinic: Clinic, home: Home, active: str, model: str) -> None:
    callers, research = Callers(home, HOSPITAL), ProgramClient(home, HOSPITAL, RESEARCH)
    query = f"SELECT index_id AS encounter, patient_id AS patient FROM {SCHEMA}.{FEATURES} ORDER BY 1 LIMIT 1"
    [wanted] = clinic.rows("warehouse", query)
    body = {"workflow": "discharge-worklist", "purpose": "TREAT", "encounters": [wanted]}

    def ask(program: ProgramClient, path: str) -> Any:
        return callers.send("POST", path, program.access_token("readmission.scores"), program.tls(), json=body)

    eventually(lambda: ask(research, BY_MODEL).status_code == 200, 120)
    releases = {(research, BY_MODEL): model, (callers.program, SCORES): active}
    for (program, path), release in releases.items():
        answer = ask(program, path)
        assert answer.status_code == 200, answer.text
        [score] = answer.json()["scores"]
        version, _, digest = release.partition("@")
        assert (score["status"], score["release"]["version"]) == ("scored", version)
        assert score["release"]["digest"].startswith(digest)
        policy = pipeline.release_document(pipeline.storage(), HOSPITAL, release, files.POLICY_FILE)
        bands = {band["name"]: band["from"] for band in policy["bands"]}
        assert score["threshold"]["risk_from"] == bands[score["decision"]]
        record: Json = clinic.record(score["record"])
        assert (record["release"]["version"], record["release"]["digest"]) == (version, score["release"]["digest"])
        assert record["route"] == ("POST /v1/scores" if path == SCORES else "POST /v1/models/{model}/scores")
        assert record.get("detail") == (None if path == SCORES else MODEL)
    assert ask(callers.program, BY_MODEL).status_code == 403
    assert ask(research, SCORES).status_code == 403
