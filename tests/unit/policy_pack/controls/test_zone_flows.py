"""The zone-flow proof: edges are computed as Kubernetes means them, and each that is not in the table is refused."""

from typing import Any

import pytest

from policy_pack.facts.network.connections import connections
from policy_pack.facts.network.topology import topology
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import StackContext
from policy_pack.stack.graph import Graph
from tests.policy import world
from tests.policy.builders import STACK, build, changed
from tests.policy.evaluation import results
from tests.policy.flows import RESOURCES, flow_messages, platform, pods, with_flow, with_policy


def test_every_flow_of_the_zone_table_is_a_connection() -> None:
    network = topology(StackContext(Graph(RESOURCES, STACK), world.settings(), world.ADDRESSES), zones())
    seen = {
        (e.source.workload, e.target.workload, e.ports.first)
        for e in connections(network)
        if e.source.namespace.hospital == "north"
    }
    inside = zones().workload_zones
    assert seen == {(f.source, f.target, f.port) for f in zones().flows if f.port and f.source in inside}
    assert len(seen) > 0


@pytest.mark.parametrize(
    ("source", "target", "path"),
    [
        (
            ("north", "serving", "planner"),
            ("north", "phi", "ingestor"),
            "north-serving/planner -> north-phi/ingestor:8080",
        ),
        (("north", "data", "trainer"), ("north", "phi", "ingestor"), "north-data/trainer -> north-phi/ingestor:8080"),
        (
            ("north", "serving", "planner"),
            ("south", "serving", "model-server"),
            "north-serving/planner -> south-serving/",
        ),
    ],
)
def test_an_undeclared_connection_is_refused_with_its_path(
    source: tuple[str, str, str], target: tuple[str, str, str], path: str
) -> None:
    found = flow_messages(with_flow(pods(*source), pods(*target), 8080))
    assert any(message.startswith(path) and "(egress by out, ingress by in)" in message for message in found)


def test_a_declared_connection_on_another_port_is_refused() -> None:
    graph = with_flow(pods("north", "serving", "planner"), pods("north", "serving", "model-server"), 9999)
    assert any("model-server:9999" in message for message in flow_messages(graph))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (("north", "serving", "planner"), ("north", "phi", "ingestor")),
        (("south", "serving", "planner"), ("north", "serving", "model-server")),
        (("north", "serving", "planner"), ("south", "serving", "model-server")),
    ],
)
@pytest.mark.parametrize("left_out", ["in", "out"])
def test_one_end_of_an_undeclared_connection_is_refused(
    left_out: str, source: tuple[str, str, str], target: tuple[str, str, str]
) -> None:
    graph = with_flow(pods(*source), pods(*target), 8080)
    one_end = Graph([r for r in graph if r.name != left_out], STACK)
    path = f"{source[0]}-{source[1]}/{source[2]} -> {target[0]}-{target[1]}/{target[2]}"
    by = "out" if left_out == "in" else "in"
    assert flow_messages(one_end) == [f"{path} is allowed by {by}, and is not in the zone table"]


def test_one_end_of_a_declared_connection_is_none() -> None:
    graph = with_flow(pods("north", "serving", "planner"), pods("north", "serving", "model-server"), 8443)
    assert flow_messages(Graph([r for r in graph if r.name != "in"], STACK)) == []


@pytest.mark.parametrize("peer", [pods("south", "phi", "stranger"), {"podSelector": {"matchLabels": {"x": "y"}}}])
def test_a_peer_that_is_no_workload_is_refused(peer: dict[str, Any]) -> None:
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [peer], "ports": [{"port": 8080}]}]}
    assert any("pods that are no workload" in message for message in flow_messages(with_policy(spec)))


def test_a_policy_of_pods_that_are_no_workload_is_refused() -> None:
    spec = {
        "podSelector": {"matchLabels": {"x": "y"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [pods("north", "serving", "planner")], "ports": [{"port": 8080}]}],
    }
    expected = "its peers -> north-phi/pods that are no workload is allowed by extra, and is not in the zone table"
    assert flow_messages(with_policy(spec)) == [expected]


def test_a_policy_of_the_platform_that_admits_a_workload_without_flow_is_refused() -> None:
    namespace, _ = platform("monitoring")
    spec = {"podSelector": {}, "policyTypes": ["Egress"]}
    egress = [{"to": [pods("north", "phi", "ingestor")], "ports": [{"port": 8080}]}]
    graph = Graph([*with_policy({**spec, "egress": egress}, "monitoring"), namespace], STACK)
    assert any("pods of monitoring -> north-phi/ingestor is allowed by extra" in one for one in flow_messages(graph))


def test_a_policy_that_allows_many_connections_is_one_finding() -> None:
    everywhere = [
        {
            "namespaceSelector": {
                "matchExpressions": [
                    {
                        "key": "kubernetes.io/metadata.name",
                        "operator": "In",
                        "values": ["north-phi", "south-phi", "south-serving"],
                    }
                ]
            }
        }
    ]
    opened = [
        build(
            "kubernetes:networking.k8s.io/v1:NetworkPolicy",
            f"in-{namespace}",
            {
                "metadata": {"name": "in", "namespace": namespace},
                "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]},
            },
        )
        for namespace in ("north-phi", "south-phi", "south-serving")
    ]
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": everywhere}]}
    found = results(Graph([*with_policy(spec, "north-data"), *opened], STACK), None, "SEG-02")
    paths = [one.message for one in found if one.name == "extra" and "ingress by in-" in one.message]
    assert len(paths) == 1
    assert "; and " in paths[0]


@pytest.mark.parametrize("port", ["web", "http1"])
def test_a_named_port_of_pods_that_are_declared_elsewhere_can_be_any_port(port: str) -> None:
    graph = with_flow(pods("north", "serving", "planner"), pods("north", "data", "trainer"), 8080)
    named = [
        changed(changed(one, "spec.ingress[0].ports[0].port", port), "spec.ingress[0].ports[0].protocol", "TCP")
        if one.name == "in"
        else one
        for one in graph
        if not (one.kind == "k8s:batch/CronJob" and one.name == "north-trainer")
    ]
    assert any("north-data/trainer:8080" in message for message in flow_messages(Graph(named, STACK)))


@pytest.mark.parametrize(
    ("block", "reaches"),
    [
        ({"cidr": "10.40.0.0/16"}, True),
        ({"cidr": "10.40.3.0/24"}, True),
        ({"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}, False),
        ({"cidr": "0.0.0.0/0", "except": ["10.40.0.0/24"]}, True),
        ({"cidr": "10.41.0.0/16"}, False),
        ({"cidr": "::/0"}, True),
        ({"cidr": "2001:db8::/48"}, False),
    ],
)
def test_a_block_with_addresses_of_pods_is_a_connection_to_them(block: dict[str, Any], reaches: bool) -> None:
    graph = with_flow(pods("north", "serving", "planner"), pods("north", "phi", "ingestor"), 8080)
    out = next(one for one in graph if one.name == "out")
    blocked = changed(out, "spec.egress[0].to", [{"ipBlock": block}])
    found = flow_messages(Graph([blocked if one is out else one for one in graph], STACK))
    assert any("planner -> north-phi/ingestor:8080 (egress by out" in message for message in found) is reaches


def test_pods_without_an_egress_policy_reach_what_admits_them() -> None:
    removed = [r for r in RESOURCES if not (r.kind.endswith("NetworkPolicy") and "planner-to" in r.name)]
    bare = [r for r in removed if r.name != "north-serving-default-deny"]
    network = topology(StackContext(Graph(bare, STACK), world.settings(), world.ADDRESSES), zones())
    unlimited = [one for one in connections(network) if one.source.label == "north-serving/planner"]
    assert ("north-serving/model-server", None) in [(one.target.label, one.egress_policy) for one in unlimited]
    assert {one.target.namespace.name for one in unlimited} == {"north-serving"}


def test_a_pod_without_policies_is_not_isolated() -> None:
    namespace = build("kubernetes:core/v1:Namespace", "bare", {"metadata": {"name": "bare", "labels": {}}})
    job = next(r for r in RESOURCES if r.name == "north-ingestor" and r.kind == "k8s:batch/CronJob")
    moved = changed(job, "metadata.namespace", "bare")
    found = flow_messages(Graph([*(r for r in RESOURCES if r is not job), namespace, moved], STACK))
    assert "bare/ingestor -> anything is allowed: no NetworkPolicy selects the pods for Egress" in found
    assert "anything -> bare/ingestor is allowed: no NetworkPolicy selects the pods for Ingress" in found
    assert any("its zone in the zone table is phi" in message for message in found)
