"""What Prometheus reads of releases in motion is what the stop of a canary is computed from."""

from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tenacity import Retrying, retry_if_exception_type, stop_after_delay

from services.planning.delivery.calls import CallFault
from services.planning.delivery.metrics import ANSWERED, Metrics
from services.planning.delivery.releases import FIRST_MODEL, AssignedShadow, Releases, Role
from services.planning.delivery.stops import Cause
from tests.support.serving.canary_world import CanaryWorld, Running
from tests.support.serving.model_servers import free_port

pytestmark = pytest.mark.process


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(f"planning_{name}", labels)
    assert found is not None, (name, labels)
    return found


def labels(run: Running, role: Role) -> dict[str, str]:
    [release] = [one.release for name, one in run.parts.settings.releases.by_role() if name is role]
    return {"model": FIRST_MODEL, "role": role.value, "release": release}


def calls(run: Running, role: Role, fault: str = ANSWERED) -> float:
    return value(run.parts.metrics, "release_calls_total", fault=fault, **labels(run, role))


def by_role(run: Running, name: str) -> dict[str, float]:
    return {role.value: value(run.parts.metrics, name, **labels(run, role)) for role in (Role.ACTIVE, Role.CANARY)}


def stopped(run: Running, world: CanaryWorld) -> dict[str, float]:
    release = world.canary.release
    return {
        cause.value: value(run.parts.metrics, "canary_stopped", release=release, cause=cause.value) for cause in Cause
    }


def ask(run: Running, number: int) -> dict[str, dict[str, Any]]:
    return {name: score for one in range(number) for name, score in run.ask([run.world.encounter(one)]).items()}


def test_calls_answers_and_overrides_are_counted_by_release(world: CanaryWorld) -> None:
    with world.running() as run:
        scores = ask(run, 30)
        answered = [score["release"]["version"] for score in scores.values()]
        expected = {"active": answered.count("v1"), "canary": answered.count("v2")}
        assert all(expected.values())
        assert by_role(run, "release_answers_total") == expected
        assert {role.value: calls(run, role) for role in (Role.ACTIVE, Role.CANARY)} == expected
        assert by_role(run, "release_call_seconds_count") == expected
        assert by_role(run, "release_overrides_total") == {"active": 0, "canary": 0}
        of_canary = next(score for score in scores.values() if score["release"]["version"] == "v2")
        run.override(of_canary, "higher-risk")
        # Sent twice, it is one override; and another code is none.
        run.override(of_canary, "higher-risk")
        of_active = next(score for score in scores.values() if score["release"]["version"] == "v1")
        run.override(of_active, "accepted")
        assert by_role(run, "release_overrides_total") == {"active": 0, "canary": 1}
        assert not any(stopped(run, world).values())


def test_faults_and_the_stop_are_shown(world: CanaryWorld) -> None:
    with world.running() as run:
        world.server.fail("status-500")
        ask(run, 30)
        assert calls(run, Role.CANARY, CallFault.UNAVAILABLE) >= 3
        assert calls(run, Role.CANARY) == 0
        assert stopped(run, world) == dict.fromkeys(Cause, 0) | {Cause.ERROR_RATE: 1}
    with world.running() as again:
        # Another process reads it in the database.
        assert stopped(again, world)[Cause.ERROR_RATE] == 1
        assert calls(again, Role.CANARY, CallFault.UNAVAILABLE) == 0


def test_a_shadow_is_counted_by_calls_alone(world: CanaryWorld) -> None:
    shadow = AssignedShadow(**(world.canary.model_dump() | {"percent": 100}))
    roles = Releases(active=world.hospital.settings.releases.active, shadow=shadow)
    with world.running(roles) as run:
        ask(run, 5)
        assert run.parts.shadow is not None
        run.parts.shadow.wait()
        assert 1 <= calls(run, Role.SHADOW) <= 5
        world.server.fail("no-digest")
        ask(run, 2)
        run.parts.shadow.wait()
        assert calls(run, Role.SHADOW, CallFault.INCOMPLETE) >= 1
        name = "planning_release_answers_total"
        assert run.parts.metrics.registry.get_sample_value(name, labels(run, Role.SHADOW)) is None


def test_prometheus_reads_bounded_labels_without_pseudonyms(world: CanaryWorld) -> None:
    port = free_port()
    with world.running() as run:
        scores = ask(run, 10)
        run.parts.metrics.serve(port)
        again = Retrying(retry=retry_if_exception_type(httpx.TransportError), stop=stop_after_delay(30), reraise=True)
        text = again(httpx.get, f"http://127.0.0.1:{port}/metrics").text
        releases = {one.release for _, one in run.parts.settings.releases.by_role()}
    assert not [name for name in scores if name in text]
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert len(samples) > 20
    allowed = {
        "model": {FIRST_MODEL},
        "role": {role.value for role in Role},
        "release": releases,
        "fault": {ANSWERED, *CallFault},
        "cause": set(Cause),
    }
    for sample in samples:
        assert sample.name.startswith("planning_")
        assert all(text in allowed[name] for name, text in sample.labels.items() if name != "le"), sample
