"""Flows opened by policies of their own."""

from typing import Any

from policy_pack.stack.graph import Graph, Resource
from tests.policy import world, world_cluster
from tests.policy.made import PREFIX, STACK, made

RESOURCES = [r for r in world.resources() if r.type.startswith("kubernetes:")]


def pods(hospital: str, zone: str, workload: str) -> dict[str, Any]:
    """Return a peer that is one workload."""
    return {
        "namespaceSelector": {"matchLabels": world_cluster.labels(hospital, zone)},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": workload}},
    }


def platform(name: str) -> tuple[Resource, dict[str, Any]]:
    """Return a namespace of the platform, and all its pods as a peer."""
    marks = {f"{PREFIX}/hospital": "shared", "kubernetes.io/metadata.name": name}
    home = made("kubernetes:core/v1:Namespace", name, {"metadata": {"name": name, "labels": marks}})
    return home, {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def let_in(source: dict[str, Any], target: dict[str, Any], port: int, *more: Resource) -> Graph:
    """Return the stack, with more resources, where one workload lets others in."""
    return Graph([*RESOURCES, *more, _policy("in", target, _inward(source, port))], STACK)


def _policy(name: str, at: dict[str, Any], spec: dict[str, Any]) -> Resource:
    home = at["namespaceSelector"]["matchLabels"]
    namespace = f"{home[f'{PREFIX}/hospital']}-{home[f'{PREFIX}/zone']}"
    return made(
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        name,
        {"metadata": {"name": name, "namespace": namespace}, "spec": {"podSelector": at["podSelector"], **spec}},
    )


def _inward(source: dict[str, Any], port: int) -> dict[str, Any]:
    return {"policyTypes": ["Ingress"], "ingress": [{"from": [source], "ports": [{"port": port}]}]}


def opened(source: dict[str, Any], target: dict[str, Any], port: int) -> Graph:
    """Return the stack with both ends of one flow opened."""
    outward = {"policyTypes": ["Egress"], "egress": [{"to": [target], "ports": [{"port": port}]}]}
    ends = [_policy("out", source, outward), _policy("in", target, _inward(source, port))]
    return Graph([*RESOURCES, *ends], STACK)
