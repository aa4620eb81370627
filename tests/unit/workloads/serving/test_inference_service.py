"""Servers of each release, which survive the loss of a zone, and pods that find the nodes meant for them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.cluster import pools
from infra.cluster.node_classes import LABEL
from infra.settings import Settings, VaultServer
from tests.policy.recorded import record
from tests.support.stack.mocked_stack import RELEASE, SECOND_RELEASE, Stack, containers, declare, pods, settings
from workloads.zones.workload_table import table


def released(written: dict[str, Any]) -> None:
    for hospital in written["hospitals"]:
        hospital["release"] = RELEASE


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings("prod", tmp_path_factory.mktemp("prod"), released)


@pytest.fixture(scope="module")
def stack(prod: Settings) -> Stack:
    return declare(prod)


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("dev", tmp_path_factory.mktemp("dev"), released))


def with_canary(written: dict[str, Any]) -> None:
    released(written)
    written["hospitals"][0]["canary"] = {"release": SECOND_RELEASE, "percent": 10}


def with_model(written: dict[str, Any]) -> None:
    released(written)
    written["hospitals"][0]["models"] = [
        {"name": "boosted", "release": SECOND_RELEASE, "applications": ["north-research"]}
    ]


def promoted(written: dict[str, Any]) -> None:
    written["hospitals"][0] |= {"release": SECOND_RELEASE, "previous": RELEASE}


@pytest.mark.parametrize("change", [with_canary, with_model])
def test_each_release_has_model_servers_and_an_address_of_its_own(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    stack = declare(settings("prod", tmp_path, change))
    servers = {one.metadata["name"]: one.inputs["spec"]["predictor"] for one in stack.of("InferenceService")}
    services = {
        one.metadata["name"]: one.inputs["spec"]["selector"]
        for one in stack.of("Service")
        if one.metadata["name"].startswith("model-server")
    }
    assert servers.keys() == {"readmission-risk-v1", "readmission-risk-v2"}
    for version in ("v1", "v2"):
        selector = services[f"model-server-{version}"]
        chosen = [name for name, predictor in servers.items() if selector.items() <= predictor["labels"].items()]
        assert chosen == [f"readmission-risk-{version}"]
    # Who asks for the model without naming a release gets the active one.
    assert services["model-server"] == services["model-server-v1"]
    stored = {name: predictor["model"]["storageUri"] for name, predictor in servers.items()}
    assert all(f"/{name.rpartition('-')[2]}/" in uri for name, uri in stored.items())


def test_a_promotion_starts_no_model_server(tmp_path: Path) -> None:
    """Planning, the nightly scoring, the Service of the active release and the alert of the canary change, no more."""
    before, after = (declare(settings("prod", tmp_path, change)) for change in (with_canary, promoted))
    assert before.keys() == after.keys()
    old = before.by_key()
    changed = {one.name for one in after.resources if one.inputs != old[one.key].inputs}
    alerts = "north-alerts-prometheusrule-readmission-risk-v2"
    assert changed == {"north-planning", "north-score", "north-model-server", alerts}


def with_shadow(written: dict[str, Any]) -> None:
    released(written)
    written["hospitals"][0]["shadow"] = {"release": SECOND_RELEASE, "percent": 10}


def test_only_a_release_that_answers_nobody_is_outside_the_clinical_pool(tmp_path: Path) -> None:
    """A shadow gives way to what clinicians wait for; the same release as a canary does not."""
    found = []
    for change in (with_shadow, with_canary):
        stack = declare(settings("prod", tmp_path, change))
        found.append({one.metadata["name"]: one.inputs["spec"]["predictor"] for one in stack.of("InferenceService")})
    shadow, canary = found
    clinical, staging = "healthcare-mlops-clinical", "healthcare-mlops-staging"
    classes = {name: (shadow[name]["priorityClassName"], canary[name]["priorityClassName"]) for name in shadow}
    assert classes == {"readmission-risk-v1": (clinical, clinical), "readmission-risk-v2": (staging, clinical)}
    assert shadow["readmission-risk-v2"]["nodeSelector"] == {LABEL: "serving-staging"}


def test_planning_asks_a_release_when_its_servers_are_ready(tmp_path: Path) -> None:
    """Calls without an answer stop a canary, so it waits for the InferenceServices, which wait to be ready."""
    resources: list[Any] = list(record("prod", tmp_path, with_canary).resources)
    servers = [one for one in resources if one.type.endswith(":InferenceService")]
    [planning] = [one for one in resources if one.urn.endswith(":Deployment::north-planning")]
    assert len(servers) == 2
    assert {one.urn for one in servers} <= set(planning.dependencies)
    for one in servers:
        assert one.properties["metadata"]["annotations"]["pulumi.com/waitFor"] == "condition=Ready"


def test_without_a_release_no_model_server_runs(tmp_path: Path) -> None:
    stack = declare(settings("dev", tmp_path))
    with pytest.raises(LookupError):
        stack.of("InferenceService")
    names = [one.metadata["name"] for one in stack.of("Service")]
    assert [name for name in names if name.startswith("model-server")] == ["model-server", "model-server"]


def predictors(stack: Stack) -> list[dict[str, Any]]:
    return [service.inputs["spec"]["predictor"] for service in stack.of("InferenceService")]


def test_two_servers_stand_in_different_zones_in_production(prod: Settings, stack: Stack) -> None:
    for predictor in predictors(stack):
        assert predictor["minReplicas"] >= prod.tier.least_servers == 2
        [spread] = predictor["topologySpreadConstraints"]
        assert (spread["topologyKey"], spread["maxSkew"]) == ("topology.kubernetes.io/zone", 1)
        assert spread["whenUnsatisfiable"] == "DoNotSchedule"
        assert spread["labelSelector"]["matchLabels"].items() <= predictor["labels"].items()


def test_a_cluster_of_one_machine_still_serves(dev: Stack) -> None:
    for predictor in predictors(dev):
        assert predictor["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "ScheduleAnyway"
        assert "nodeSelector" not in predictor
        assert "tolerations" not in predictor


def test_maintenance_takes_servers_one_by_one(stack: Stack) -> None:
    services = {service.metadata["namespace"]: service for service in stack.of("InferenceService")}
    budgets = [
        budget
        for budget in stack.of("PodDisruptionBudget")
        if budget.metadata["labels"]["app.kubernetes.io/name"] == "model-server"
    ]
    assert len(budgets) == len(services)
    for budget in budgets:
        predictor = services[budget.metadata["namespace"]].inputs["spec"]["predictor"]
        assert budget.inputs["spec"]["maxUnavailable"] == 1
        assert predictor["deploymentStrategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        chosen = budget.inputs["spec"]["selector"]["matchLabels"]
        assert chosen.items() <= predictor["labels"].items()
        assert chosen["app.kubernetes.io/name"] == "model-server"


def test_every_pod_goes_to_the_nodes_of_its_zone_and_pool_in_production(stack: Stack) -> None:
    seen = set()
    for name, pod in pods(stack):
        zone = pod["namespace"].removeprefix(f"{pod['hospital']}-")
        chosen = pools.table().node_class(zone, pod["priorityClassName"].removeprefix("healthcare-mlops-"))
        assert pod["nodeSelector"] == {LABEL: chosen.name}, name
        assert [each["value"] for each in pod.get("tolerations", [])] == ([chosen.name] if chosen.tainted else [])
        seen.add(zone)
    assert seen == {"phi", "serving", "data", "platform"}


def test_pods_of_a_managed_vault_know_its_namespace(prod: Settings) -> None:
    stack = declare(prod.model_copy(update={"vault": VaultServer(namespace="admin/hospitals")}))
    users = {row.service_account for row in table().present(database=False, clinic=True).values() if row.vault_rules}
    checked = 0
    for job in stack.of("CronJob"):
        pod = job.inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        if pod["serviceAccountName"] not in users:
            continue
        for container in containers(pod):
            env = {each["name"]: each.get("value") for each in container["env"]}
            assert env["VAULT_NAMESPACE"] == "admin/hospitals"
            checked += 1
    assert checked
