"""Charts: one table, exact versions, closed namespaces, and none where the cluster brings its platform itself."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from infra.settings import Autoscaler
from tests.support.stack.mocked_stack import Stack, declare, settings
from workloads.platform.charts import TABLE, ChartTable, table

EXACT = re.compile(r"v?\d+\.\d+\.\d+")
PLATFORM = {"cert-manager", "kube-prometheus-stack", "kserve-crd", "kserve", "envoy-gateway", "vault", "argo-cd"}


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return declare(settings("prod", tmp_path_factory.mktemp("prod")))


def test_production_installs_the_platform_and_the_autoscaler_of_its_choice(prod: Stack) -> None:
    assert {release.inputs["name"] for release in prod.of("Release")} == PLATFORM | {"karpenter"}
    assert {chart.name for chart in table().selected(Autoscaler.CLUSTER_AUTOSCALER)} == PLATFORM | {
        "cluster-autoscaler"
    }
    assert {chart.name for chart in table().selected(Autoscaler.NONE)} == PLATFORM


def test_each_chart_has_one_version_and_one_place_to_come_from(prod: Stack) -> None:
    for release in prod.of("Release"):
        assert EXACT.fullmatch(release.inputs["version"]), release.name
        repository = release.inputs.get("repositoryOpts", {}).get("repo", "")
        assert release.inputs["chart"].startswith("oci://") is not repository.startswith("https://"), release.name


def test_values_name_this_environment(prod: Stack) -> None:
    given = {release.inputs["name"]: release.inputs["values"] for release in prod.of("Release")}
    assert given["karpenter"]["settings"]["clusterName"] == "hmlops-prod"
    assert given["karpenter"]["settings"]["interruptionQueue"] == "hmlops-prod-interruptions"
    assert given["vault"]["global"]["externalVaultAddr"] == "https://vault.healthcare-mlops.example:8200"
    assert "${" not in str(given)


def test_charts_run_in_namespaces_that_the_stack_closes(prod: Stack) -> None:
    closed = {
        policy.metadata["namespace"]
        for policy in prod.of("NetworkPolicy")
        if policy.metadata["name"] == "default-deny" and policy.inputs["spec"]["podSelector"] == {}
    }
    homes = {release.inputs["namespace"] for release in prod.of("Release")}
    assert homes - closed == {"kube-system"}
    assert set(table().namespaces) <= closed
    for namespace in prod.of("Namespace"):
        if namespace.name in table().namespaces:
            labels = namespace.metadata["labels"]
            assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
            assert (labels["healthcare-mlops/hospital"], labels["healthcare-mlops/phi"]) == ("shared", "false")


def test_platform_pods_reach_hospitals_only_by_the_zone_table(prod: Stack) -> None:
    ways = [
        (policy.metadata["namespace"], peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"], home, ports)
        for policy in prod.of("NetworkPolicy")
        if policy.metadata["namespace"] in table().namespaces
        for peers, ports in _rules(policy.inputs["spec"])
        for peer in peers
        for home in peer.get("namespaceSelector", {}).get("matchLabels", {}).values()
        if home.startswith("north-")
    ]
    assert sorted(ways) == [
        ("envoy-gateway-system", "envoy", "north-platform", [18000]),
        ("monitoring", "envoy", "north-platform", [19001]),
        ("monitoring", "model-server", "north-serving", [8082]),
        ("monitoring", "planner", "north-serving", [8083]),
    ]


def _rules(spec: dict[str, Any]) -> list[tuple[list[dict[str, Any]], list[int]]]:
    rules = [(rule["to"], rule) for rule in spec.get("egress", [])]
    rules += [(rule["from"], rule) for rule in spec.get("ingress", [])]
    return [(peers, [port["port"] for port in rule.get("ports", [])]) for peers, rule in rules]


def test_a_cluster_that_brings_its_platform_gets_none_of_it(tmp_path: Path) -> None:
    dev = declare(settings("dev", tmp_path))
    assert "Release" not in {resource.kind for resource in dev.resources}
    assert not {namespace.name for namespace in dev.of("Namespace")} & set(table().namespaces)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"namespace": "nowhere"}, "which charts.yaml does not define"),
        ({"repository": "https://charts.example"}, "needs either a repository or an oci:// URL"),
        ({"autoscaler": "magic"}, "autoscaler"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(change: dict[str, Any], says: str) -> None:
    written = yaml.safe_load(TABLE.read_text())
    first = next(chart for chart in written["charts"] if chart["chart"].startswith("oci://"))
    first.update(change)
    with pytest.raises(ValidationError, match=says):
        TypeAdapter(ChartTable).validate_python(written)
