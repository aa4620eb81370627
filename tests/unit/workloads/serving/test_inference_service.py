"""Servers that survive the loss of a zone, and pods that find the nodes which are meant for them."""

from typing import Any

import pytest

from infra.cluster.node_classes import LABEL, NODE_CLASSES
from infra.settings import Settings, VaultServer
from tests.support.mocked_stack import RELEASE, Stack, containers, declare, pods, settings
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


def test_every_pod_goes_to_the_nodes_of_its_zone_in_production(stack: Stack) -> None:
    seen = set()
    for name, pod in pods(stack):
        zone = pod["namespace"].removeprefix(f"{pod['hospital']}-")
        chosen = NODE_CLASSES[zone]
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
