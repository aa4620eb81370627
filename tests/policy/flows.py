"""Stacks with additional flows, allowed by their own NetworkPolicies, and what the control of flows says of them."""

from typing import Any

from policy_pack.stack.graph import Graph, Resource
from tests.policy import world
from tests.policy.builders import PREFIX, STACK, build
from tests.policy.evaluation import results
from tests.policy.world.pods import by_name

RESOURCES = [r for r in world.resources() if r.type.startswith("kubernetes:")]


def pods(hospital: str, zone: str, workload: str) -> dict[str, Any]:
    """Return a peer that selects one workload."""
    return {
        "namespaceSelector": by_name(f"{hospital}-{zone}"),
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": workload}},
    }


def platform(name: str) -> tuple[Resource, dict[str, Any]]:
    """Return a namespace of the platform, and a peer that selects all its pods."""
    labels = {f"{PREFIX}/hospital": "shared", "kubernetes.io/metadata.name": name}
    namespace = build("kubernetes:core/v1:Namespace", name, {"metadata": {"name": name, "labels": labels}})
    return namespace, {"namespaceSelector": by_name(name)}


def admitting(source: dict[str, Any], target: dict[str, Any], port: int, *more: Resource) -> Graph:
    """Return the stack, with more resources, where one workload admits a peer."""
    return Graph([*RESOURCES, *more, _policy("in", target, _ingress(source, port))], STACK)


def _policy(name: str, at: dict[str, Any], spec: dict[str, Any]) -> Resource:
    namespace = at["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    return build(
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        name,
        {"metadata": {"name": name, "namespace": namespace}, "spec": {"podSelector": at["podSelector"], **spec}},
    )


def _ingress(source: dict[str, Any], port: int) -> dict[str, Any]:
    return {"policyTypes": ["Ingress"], "ingress": [{"from": [source], "ports": [{"port": port}]}]}


def with_flow(source: dict[str, Any], target: dict[str, Any], port: int) -> Graph:
    """Return the stack with one flow allowed at both ends."""
    egress = {"policyTypes": ["Egress"], "egress": [{"to": [target], "ports": [{"port": port}]}]}
    ends = [_policy("out", source, egress), _policy("in", target, _ingress(source, port))]
    return Graph([*RESOURCES, *ends], STACK)


def flow_messages(graph: Graph) -> list[str]:
    """Return what the control of zone flows says of a stack."""
    return [result.message for result in results(graph, None, "SEG-02")]


def with_policy(spec: dict[str, Any], namespace: str = "north-phi") -> Graph:
    """Return the stack with one more NetworkPolicy."""
    policy = build(
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "extra",
        {"metadata": {"name": "extra", "namespace": namespace}, "spec": spec},
    )
    return Graph([*RESOURCES, policy], STACK)
