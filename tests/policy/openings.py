"""Flows opened by policies of their own."""

from typing import Any

from policy_pack.graph import Graph, Resource
from tests.policy import world, world_cluster
from tests.policy.made import PREFIX, STACK, made

RESOURCES = [r for r in world.resources() if r.type.startswith("kubernetes:")]


def pods(hospital: str, zone: str, workload: str) -> dict[str, Any]:
    """Return a peer that is one workload."""
    return {
        "namespaceSelector": {"matchLabels": world_cluster.labels(hospital, zone)},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": workload}},
    }


def opened(source: dict[str, Any], target: dict[str, Any], port: int) -> Graph:
    """Return the stack with both ends of one flow opened."""

    def policy(name: str, at: dict[str, Any], spec: dict[str, Any]) -> Resource:
        home = at["namespaceSelector"]["matchLabels"]
        namespace = f"{home[f'{PREFIX}/hospital']}-{home[f'{PREFIX}/zone']}"
        body = {"podSelector": at["podSelector"], **spec}
        return made(
            "kubernetes:networking.k8s.io/v1:NetworkPolicy",
            name,
            {"metadata": {"name": name, "namespace": namespace}, "spec": body},
        )

    ports = [{"port": port}]
    ends = [
        policy("out", source, {"policyTypes": ["Egress"], "egress": [{"to": [target], "ports": ports}]}),
        policy("in", target, {"policyTypes": ["Ingress"], "ingress": [{"from": [source], "ports": ports}]}),
    ]
    return Graph([*RESOURCES, *ends], STACK)
