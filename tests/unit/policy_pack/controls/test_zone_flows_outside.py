"""Connections to networks, and to pods of the platform: each needs a flow of the zone table."""

from typing import Any

import pytest

from policy_pack.engine.evaluate import Evaluator, Status
from policy_pack.stack.graph import Graph
from policy_pack.stack.values import UNKNOWN
from tests.policy import world
from tests.policy.builders import STACK, build, changed
from tests.policy.evaluation import results
from tests.policy.flows import RESOURCES, flow_messages, pods, with_flow, with_policy


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"podSelector": {}, "egress": [{}], "policyTypes": ["Egress"]}, "-> anything is allowed: a rule has no peers"),
        ({"podSelector": {}, "ingress": [{}], "policyTypes": ["Ingress"]}, "anything -> north-phi/ingestor"),
        ({"podSelector": {}, "ingress": [{}]}, "anything -> north-phi/ingestor"),
        (
            {"podSelector": {}, "egress": [{"to": [{"namespaceSelector": {}}]}], "policyTypes": ["Egress"]},
            "pods with these labels in any namespace",
        ),
        (
            {
                "podSelector": {},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"healthcare-mlops/hospital": "north"}}}]}],
            },
            "the namespace is not selected by kubernetes.io/metadata.name",
        ),
        (
            {
                "podSelector": {},
                "policyTypes": ["Ingress"],
                "ingress": [
                    {"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]}
                ],
            },
            "pods of namespace monitoring",
        ),
        (
            {
                "podSelector": {},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
            },
            "10.0.0.0/8 -> north-phi/ingestor",
        ),
        (
            {
                "podSelector": {},
                "policyTypes": ["Egress"],
                "egress": [{"to": [{"ipBlock": {"cidr": "198.51.100.0/24"}}], "ports": [{"port": 443}]}],
            },
            "north-phi/ingestor -> 198.51.100.0/24:443",
        ),
    ],
)
def test_connections_with_undeclared_peers_are_refused(spec: dict[str, Any], expected: str) -> None:
    assert any(expected in message for message in flow_messages(with_policy(spec)))


@pytest.mark.parametrize(
    ("network", "port", "refused"),
    [("10.50.0.0/24", 10443, False), ("10.50.0.0/16", 10443, True), ("10.50.0.0/24", 443, True)],
)
def test_ingress_from_a_network_needs_a_flow(network: str, port: int, refused: bool) -> None:
    entrance = {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "envoy"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"ipBlock": {"cidr": network}}], "ports": [{"port": port}]}],
    }
    texts = flow_messages(with_policy(entrance, "north-platform"))
    assert any("is not a flow of the zone table" in message for message in texts) is refused


@pytest.mark.parametrize(
    ("labels", "port", "refused"),
    [
        ({"app.kubernetes.io/name": "prometheus"}, 8082, False),
        ({"app.kubernetes.io/name": "prometheus"}, 8080, True),
        ({"app.kubernetes.io/name": "grafana"}, 8082, True),
        ({}, 8082, True),
    ],
)
def test_ingress_from_the_platform_needs_a_flow(labels: dict[str, str], port: int, refused: bool) -> None:
    own = {"healthcare-mlops/hospital": "shared", "healthcare-mlops/zone": "platform"}
    namespace = build("kubernetes:core/v1:Namespace", "monitoring", {"metadata": {"name": "monitoring", "labels": own}})
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
        "podSelector": {"matchLabels": labels},
    }
    watched = {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "model-server"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [peer], "ports": [{"port": port}]}],
    }
    texts = flow_messages(Graph([*with_policy(watched, "north-serving"), namespace], STACK))
    assert any("pods of namespace monitoring -> north-serving/model-server" in text for text in texts) is refused
    assert (texts == []) is not refused


def test_namespaces_of_the_platform_expect_no_workload() -> None:
    own = {"healthcare-mlops/hospital": "shared", "healthcare-mlops/zone": "platform"}
    namespace = build("kubernetes:core/v1:Namespace", "argocd", {"metadata": {"name": "argocd", "labels": own}})
    assert flow_messages(Graph([*RESOURCES, namespace], STACK)) == []


def test_without_addresses_a_workload_has_as_many_networks_as_servers() -> None:
    evaluator = Evaluator(world.settings(), None, controls=("SEG-02",))
    assert evaluator.evaluate_stack(Graph(RESOURCES, STACK)) == []
    extra = {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"ipBlock": {"cidr": "198.51.100.0/24"}}], "ports": [{"port": 443}]}],
    }
    found = evaluator.evaluate_stack(with_policy(extra))
    assert any("not an endpoint of the zone table" in result.message for result in found)


def test_an_unknown_policy_makes_nothing_else_unknown() -> None:
    graph = with_flow(pods("north", "serving", "planner"), pods("north", "phi", "ingestor"), 8080)
    target = next(r for r in graph if r.name == "south-phi-default-deny")
    hidden = Graph([changed(target, "spec", UNKNOWN) if r is target else r for r in graph], STACK)
    found = results(hidden, None, "SEG-02")
    assert {(r.name, r.status) for r in found} >= {(target.name, Status.UNKNOWN), ("out", Status.REFUSED)}
