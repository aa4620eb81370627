"""State beside cluster: what differs is told, and rights and ways come from the cluster."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policy_pack.errors import PackError
from policy_pack.evidence import cluster_reader
from policy_pack.evidence.report import Report, Sources, report
from policy_pack.evidence.state_reader import StackState
from policy_pack.facts.cluster_drift import Drift, drift
from policy_pack.settings import load
from policy_pack.stack.external_endpoints import read_file
from policy_pack.stack.graph import Graph, Resource
from tests.policy import recorded
from tests.support.repository import REPOSITORY

PREFIX = "healthcare-mlops"
Objects = list[dict[str, Any]]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return recorded.graph("dev", tmp_path_factory.mktemp("dev"))


def objects(graph: Graph) -> Objects:
    """Return the cluster of a stack that was just made, with what Kubernetes puts there itself."""
    found = [copy.deepcopy(dict(r.props)) for r in graph if r.kind.startswith("k8s:")]
    own = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "north-phi"}}
    elsewhere = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dns", "namespace": "kube-system"}}
    metadata = {"name": "features-1", "namespace": "north-data", "ownerReferences": [{"kind": "CronJob"}]}
    return [*found, own, elsewhere, {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {}}]


def read(graph: Graph, items: Objects) -> list[Resource]:
    asked: list[list[str]] = []

    def answer(arguments: list[str]) -> str:
        asked.append(arguments)
        return json.dumps({"items": items})

    found = cluster_reader.read(graph, answer)
    [[_, kinds, *_]] = asked
    assert "secret" not in kinds
    assert "clusterstoragecontainer.v1alpha1.serving.kserve.io" in kinds
    return found


def pick(items: Objects, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    [found] = [
        item
        for item in items
        if (item["kind"], item["metadata"]["name"], item["metadata"].get("namespace", "")) == (kind, name, namespace)
    ]
    return found


def test_a_cluster_equal_to_the_state_has_no_drift(dev: Graph) -> None:
    assert drift(dev, read(dev, objects(dev)), load()) == []


def test_defaults_of_the_cluster_are_not_drift(dev: Graph) -> None:
    items = objects(dev)
    pick(items, "CronJob", "features", "north-data")["spec"]["successfulJobsHistoryLimit"] = 3
    pick(items, "Namespace", "north-phi")["metadata"]["labels"]["kubernetes.io/metadata.name"] = "north-phi"
    pick(items, "Namespace", "north-phi")["status"] = {"phase": "Active"}
    assert drift(dev, read(dev, items), load()) == []


def opened(items: Objects) -> None:
    pick(items, "NetworkPolicy", "default-deny", "north-phi")["spec"]["ingress"] = [{}]


def suspended(items: Objects) -> None:
    pick(items, "CronJob", "features", "north-data")["spec"]["suspend"] = True


def relabelled(items: Objects) -> None:
    pick(items, "Namespace", "north-phi")["metadata"]["labels"][f"{PREFIX}/zone"] = "data"


def gone(items: Objects) -> None:
    items.remove(pick(items, "ServiceAccount", "ingestor", "north-phi"))


def debug(items: Objects) -> None:
    items.append(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "debug", "namespace": "north-phi"}, "spec": {}}
    )


def bound(items: Objects) -> None:
    subject = {"kind": "ServiceAccount", "name": "trainer", "namespace": "north-data"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    version = "rbac.authorization.k8s.io/v1"
    meta = {"name": "oops"}
    items.append(
        {"apiVersion": version, "kind": "ClusterRoleBinding", "metadata": meta, "subjects": [subject], "roleRef": role}
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (opened, Drift("NetworkPolicy north-phi/default-deny", "differs", "spec.ingress")),
        (suspended, Drift("CronJob north-data/features", "differs", "spec.suspend")),
        (relabelled, Drift("Namespace north-phi", "differs", f"metadata.labels.{PREFIX}/zone")),
        (gone, Drift("ServiceAccount north-phi/ingestor", "missing in the cluster", "")),
        (debug, Drift("Pod north-phi/debug", "not in the state", "")),
        (bound, Drift("ClusterRoleBinding oops", "not in the state", "")),
    ],
)
def test_a_difference_is_reported(change: Callable[[Objects], None], expected: Drift, dev: Graph) -> None:
    items = objects(dev)
    change(items)
    assert drift(dev, read(dev, items), load()) == [expected]


def evidence(dev: Graph, items: Objects) -> Report:
    addresses = read_file(REPOSITORY / "Pulumi.dev.yaml")
    return report(StackState(dev, {}), load(), addresses, Sources(read(dev, items)))


def test_connections_and_permissions_come_from_the_cluster(dev: Graph) -> None:
    items = objects(dev)
    before = evidence(dev, items)
    assert before.cluster_read
    assert before.network == report(StackState(dev, {}), load(), read_file(REPOSITORY / "Pulumi.dev.yaml")).network
    assert {one.permission for one in before.cluster_permissions} == {"review tokens and permissions"}
    items.remove(pick(items, "NetworkPolicy", "default-deny", "north-phi"))
    bound(items)
    debug(items)
    after = evidence(dev, items)
    assert {one.permission for one in after.cluster_permissions if one.principal.name == "north-data/trainer"} >= {
        "read Secrets"
    }
    lost = {way.target for way in after.network.connections if way.source == "any address"}
    assert "north-phi/debug" in lost
    assert len(after.drift) == 3


def test_an_unreachable_cluster_is_reported_in_one_sentence(
    dev: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackError, match="omit --live"):
        cluster_reader.read(dev)
    fake = tmp_path / "kubectl"
    fake.write_text("#!/bin/sh\necho 'connection refused' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(PackError, match="connection refused"):
        cluster_reader.read(dev)
    with pytest.raises(PackError, match="list of objects"):
        cluster_reader.read(dev, lambda _: "{}")
