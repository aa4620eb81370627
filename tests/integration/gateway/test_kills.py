"""The gateway, an agent, and kubelet with the container runtime are killed while requests pass.

A login of the database is replaced and revoked too. No answer is wrong, none is without its audit record, and the
chain is intact.
"""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kubernetes import client

from local.cluster.supervision import Supervisor
from local.hospitals.patient_record import Stay
from local.paths import Home
from tests.integration.care.clinic import Clinic, Json
from tests.integration.cluster.node_processes import Container, containers
from tests.integration.gateway.gateway_callers import Callers
from tests.integration.gateway.live_load import HOOK, SCORES, Attempt, LiveLoad, unrecorded
from tests.integration.support import eventually
from tests.integration.vault.lease_revoker import lease_revoker
from tests.support.stack.service_accounts import CLINIC

pytestmark = pytest.mark.skipif(not CLINIC, reason="the stack has no gateway")
HOSPITAL, UNIT, ROLE = "north", "medicine", "planning-service"
SERVING, PLATFORM = f"{HOSPITAL}-serving", f"{HOSPITAL}-platform"
AGENT, ENVOY = "vault-agent", "envoy"
NODE = ("kubelet", "containerd")
LOGIN = Path("vault/secrets/database-planning.json")
SECONDS = 120
Property = Callable[[str, object], None]


@pytest.fixture(scope="module")
def stay(clinic: Clinic) -> Stay:
    return clinic.stay(UNIT)


@pytest.fixture
def load(clinic: Clinic, home: Home, stay: Stay) -> LiveLoad:
    return LiveLoad(clinic, Callers(home, HOSPITAL), stay)


def running(api: client.ApiClient, namespace: str, workload: str, name: str) -> list[Container]:
    """Return the containers of a name in the pods of a workload that are not ending."""
    core: Any = client.CoreV1Api(api)
    pods = core.list_namespaced_pod(namespace, label_selector=f"app.kubernetes.io/name={workload}").items
    found = [pod for pod in pods if pod.metadata.deletion_timestamp is None]
    return [one for pod in found for one in containers(pod) if one.name == name]


def kill(container: Container) -> None:
    """End a container's first process with ``kill -9``; the others of the container end with it."""
    os.kill(container.first, signal.SIGKILL)


def started_again(api: client.ApiClient, killed: list[Container], workload: str) -> bool:
    """Return whether other processes run in the place of killed containers."""
    [name], [namespace] = {one.name for one in killed}, {one.namespace for one in killed}
    now = {one.pod: one for one in running(api, namespace, workload, name)}
    return all(one.pod in now and now[one.pod].restarts > one.restarts and now[one.pod].processes for one in killed)


def check(clinic: Clinic, attempts: list[Attempt], before: int, folder: Path) -> None:
    """Check that no answer is wrong or without a record, and that the chain is intact."""
    cards = {one.value for one in attempts if one.client == HOOK and one.status == 200}
    scored = {one for one in cards if one.startswith("Readmission within 30 days")}
    assert len(scored) == 1, cards
    # On a busy machine the model may take longer than its budget: then the card says so.
    assert all(one.startswith("No model score, ranked by LACE") for one in cards - scored), cards
    assert {one.value for one in attempts if one.client == SCORES and one.status == 200} == {"not-scored"}
    assert not [one for one in attempts if one.status == 200 and one.record is None]
    assert unrecorded(clinic, attempts, before) == []
    # What the gateway answers itself, its recorder puts on record.
    own = Counter(one.status for one in attempts if one.status >= 400 and one.record is None)
    for status, count in own.items():
        eventually(partial(_has_refusals, clinic, before, status, count))
    report = clinic.verified(folder)
    assert report.faults == []
    assert report.anchored == report.records > before


def _has_refusals(clinic: Clinic, before: int, status: int, count: int) -> bool:
    """Return whether as many answers of the gateway with a status are on record."""
    records = clinic.records_after(before)
    return sum((one["service"], one["status"]) == ("gateway", status) for one in records) >= count


def recovery(load: LiveLoad, after: float) -> dict[str, float]:
    """Return the seconds from a moment to the end of the first good answer to a later request, by client."""
    return {name: round(min(one.ended for one in load.answered(name, after)) - after, 1) for name in load.clients}


def test_the_gateway_is_killed(
    clinic: Clinic, api: client.ApiClient, load: LiveLoad, tmp_path: Path, record_property: Property
) -> None:
    before, envoys = clinic.last_record(), running(api, PLATFORM, ENVOY, ENVOY)
    assert envoys
    with load:
        load.wait_for_each(time.monotonic())
        for one in envoys:
            kill(one)
        killed = time.monotonic()
        eventually(lambda: started_again(api, envoys, ENVOY), SECONDS)
        load.wait_for_each(time.monotonic(), times=2)
    record_property("recovery_seconds", json.dumps(recovery(load, killed)))
    # Without an answer, or by the gateway that starts: nothing but what a client may ask again.
    assert {one.status for one in load.attempts} <= {0, 200, 503, 504}
    check(clinic, load.attempts, before, tmp_path)


def test_an_agent_is_killed_and_the_login_that_it_replaces_is_revoked(
    clinic: Clinic, home: Home, api: client.ApiClient, load: LiveLoad, tmp_path: Path, record_property: Property
) -> None:
    before = clinic.last_record()
    [agent] = running(api, SERVING, "planner", AGENT)
    [planner] = [
        one
        for name in planner_containers(api)
        for one in running(api, SERVING, "planner", name)
        if one.pod == agent.pod
    ]

    def login() -> Json:
        found: Json = json.loads((planner.root / LOGIN).read_text())
        return found

    old = login()
    assert refusal(clinic, old) == ""
    with load, lease_revoker(home, api, HOSPITAL, ROLE) as revoker:
        load.wait_for_each(time.monotonic())
        leases = revoker.leases_of(old["username"])
        assert leases
        kill(agent)
        killed = time.monotonic()
        eventually(lambda: login()["username"] != old["username"], SECONDS)
        replaced = time.monotonic()
        eventually(lambda: started_again(api, [agent], "planner"), SECONDS)
        load.wait_for_each(replaced)
        eventually(lambda: not sessions(clinic, old["username"], "state <> 'idle'"))
        for lease in leases:
            revoker.revoke(lease)
        eventually(lambda: not clinic.rows("planning", "SELECT 1 FROM pg_roles WHERE rolname = %s", old["username"]))
        load.wait_for_each(time.monotonic(), times=2)
        eventually(lambda: bool(sessions(clinic, login()["username"], "true")))
    record_property("replaced_seconds", round(replaced - killed, 1))
    # On a busy machine the gateway may not wait for a card, which is made and recorded all the same.
    assert [one for one in load.attempts if one.status != 200 and (one.client, one.status) != (HOOK, 504)] == []
    assert "password authentication failed" in refusal(clinic, old)
    assert refusal(clinic, login()) == ""
    assert not sessions(clinic, old["username"], "true")
    check(clinic, load.attempts, before, tmp_path)


def test_kubelet_and_container_runtime_are_killed_together(
    clinic: Clinic, home: Home, core: Any, load: LiveLoad, tmp_path: Path, record_property: Property
) -> None:
    before, supervisor = clinic.last_record(), Supervisor(home)
    killed = {name: int(supervisor.states()[name]["pid"]) for name in NODE}
    running_before = restarts(core)
    with load:
        load.wait_for_each(time.monotonic())
        for process in killed.values():
            os.kill(process, signal.SIGKILL)
        moment = time.monotonic()
        eventually(lambda: all(supervisor.states()[name]["pid"] not in (0, killed[name]) for name in NODE), SECONDS)
        # What the node says of itself after both started again, and not what it said before.
        eventually(partial(reported_since, core, datetime.now(UTC)), SECONDS)
        record_property("node_seconds", round(time.monotonic() - moment, 1))
        load.wait_for_each(time.monotonic(), times=2)
    # Containers go on without the programs that started them, and nobody notices.
    assert [one for one in load.attempts if one.status != 200 and (one.client, one.status) != (HOOK, 504)] == []
    assert restarts(core) == running_before
    check(clinic, load.attempts, before, tmp_path)


def restarts(core: Any) -> dict[str, int]:
    """Return how often each container of the hospital's path was started again, by pod and container."""
    return {
        f"{pod.metadata.name} {one.name}": one.restart_count
        for zone in ("phi", "serving", "platform")
        for pod in core.list_namespaced_pod(f"{HOSPITAL}-{zone}").items
        if pod.status.phase == "Running"
        for one in (*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ()))
    }


def reported_since(core: Any, moment: datetime) -> bool:
    """Return whether the node reported that it is ready after a moment."""
    [node] = core.list_node().items
    return any(
        one.type == "Ready" and one.status == "True" and one.last_heartbeat_time > moment
        for one in node.status.conditions
    )


def planner_containers(api: client.ApiClient) -> list[str]:
    """Return the names of planning's own containers."""
    apps: Any = client.AppsV1Api(api)
    template = apps.read_namespaced_deployment("planner", SERVING).spec.template
    return [one.name for one in template.spec.containers]


def refusal(clinic: Clinic, login: Json) -> str:
    """Return why PostgreSQL refuses a login, or an empty string."""
    target = clinic.login("planning") | {"user": login["username"], "password": login["password"]}
    try:
        with closing(psycopg.connect(**target)):
            return ""
    except psycopg.OperationalError as refused:
        return str(refused)


def sessions(clinic: Clinic, username: str, condition: str) -> list[Json]:
    """Return the sessions of a login at the server."""
    return clinic.rows("planning", f"SELECT pid FROM pg_stat_activity WHERE usename = %s AND {condition}", username)
