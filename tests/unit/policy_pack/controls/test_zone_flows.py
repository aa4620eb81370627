"""The zone-flow proof: edges are computed as Kubernetes means them, and each that is not in the table is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policy_pack.engine.evaluate import Evaluator, Status
from policy_pack.errors import PackError
from policy_pack.facts.network.connections import connections
from policy_pack.facts.network.ports import PortRange, intersection
from policy_pack.facts.network.selectors import matches
from policy_pack.facts.network.topology import topology
from policy_pack.facts.zone_table import TABLE, Flow, read, zones
from policy_pack.stack.checks import StackContext
from policy_pack.stack.external_endpoints import Addresses, Endpoint
from policy_pack.stack.external_endpoints import read as read_places
from policy_pack.stack.graph import Graph
from policy_pack.stack.values import UNKNOWN
from tests.policy import world
from tests.policy.builders import STACK, build, changed
from tests.policy.evaluation import results
from tests.policy.flows import RESOURCES, platform, pods, with_flow


def messages(graph: Graph) -> list[str]:
    return [result.message for result in results(graph, None, "SEG-02")]


def with_policy(spec: dict[str, Any], namespace: str = "north-phi") -> Graph:
    policy = build(
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "extra",
        {"metadata": {"name": "extra", "namespace": namespace}, "spec": spec},
    )
    return Graph([*RESOURCES, policy], STACK)


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
    found = messages(with_flow(pods(*source), pods(*target), 8080))
    assert any(message.startswith(path) and "(egress by out, ingress by in)" in message for message in found)


def test_a_declared_connection_on_another_port_is_refused() -> None:
    graph = with_flow(pods("north", "serving", "planner"), pods("north", "serving", "model-server"), 9999)
    assert any("model-server:9999" in message for message in messages(graph))


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
    assert messages(one_end) == [f"{path} is allowed by {by}, and is not in the zone table"]


def test_one_end_of_a_declared_connection_is_none() -> None:
    graph = with_flow(pods("north", "serving", "planner"), pods("north", "serving", "model-server"), 8443)
    assert messages(Graph([r for r in graph if r.name != "in"], STACK)) == []


@pytest.mark.parametrize("peer", [pods("south", "phi", "stranger"), {"podSelector": {"matchLabels": {"x": "y"}}}])
def test_a_peer_that_is_no_workload_is_refused(peer: dict[str, Any]) -> None:
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [peer], "ports": [{"port": 8080}]}]}
    assert any("pods that are no workload" in message for message in messages(with_policy(spec)))


def test_a_policy_of_pods_that_are_no_workload_is_refused() -> None:
    spec = {
        "podSelector": {"matchLabels": {"x": "y"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [pods("north", "serving", "planner")], "ports": [{"port": 8080}]}],
    }
    expected = "its peers -> north-phi/pods that are no workload is allowed by extra, and is not in the zone table"
    assert messages(with_policy(spec)) == [expected]


def test_a_policy_of_the_platform_that_admits_a_workload_without_flow_is_refused() -> None:
    namespace, _ = platform("monitoring")
    spec = {"podSelector": {}, "policyTypes": ["Egress"]}
    egress = [{"to": [pods("north", "phi", "ingestor")], "ports": [{"port": 8080}]}]
    graph = Graph([*with_policy({**spec, "egress": egress}, "monitoring"), namespace], STACK)
    assert any("pods of monitoring -> north-phi/ingestor is allowed by extra" in one for one in messages(graph))


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
    assert any("north-data/trainer:8080" in message for message in messages(Graph(named, STACK)))


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
    found = messages(Graph([blocked if one is out else one for one in graph], STACK))
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
    found = messages(Graph([*(r for r in RESOURCES if r is not job), namespace, moved], STACK))
    assert "bare/ingestor -> anything is allowed: no NetworkPolicy selects the pods for Egress" in found
    assert "anything -> bare/ingestor is allowed: no NetworkPolicy selects the pods for Ingress" in found
    assert any("its zone in the zone table is phi" in message for message in found)


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
    assert any(expected in message for message in messages(with_policy(spec)))


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
    texts = messages(with_policy(entrance, "north-platform"))
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
    texts = messages(Graph([*with_policy(watched, "north-serving"), namespace], STACK))
    assert any("pods of namespace monitoring -> north-serving/model-server" in text for text in texts) is refused
    assert (texts == []) is not refused


def test_namespaces_of_the_platform_expect_no_workload() -> None:
    own = {"healthcare-mlops/hospital": "shared", "healthcare-mlops/zone": "platform"}
    namespace = build("kubernetes:core/v1:Namespace", "argocd", {"metadata": {"name": "argocd", "labels": own}})
    assert messages(Graph([*RESOURCES, namespace], STACK)) == []


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


@pytest.mark.parametrize(
    ("test", "labels", "holds"),
    [
        ({"key": "a", "operator": "In", "values": ["x"]}, {"a": "x"}, True),
        ({"key": "a", "operator": "In", "values": ["x"]}, {}, False),
        ({"key": "a", "operator": "NotIn", "values": ["x"]}, {}, True),
        ({"key": "a", "operator": "NotIn", "values": ["x"]}, {"a": "x"}, False),
        ({"key": "a", "operator": "Exists"}, {"a": "x"}, True),
        ({"key": "a", "operator": "DoesNotExist"}, {"a": "x"}, False),
    ],
)
def test_selectors_mean_what_kubernetes_means(test: dict[str, Any], labels: dict[str, str], holds: bool) -> None:
    assert matches({"matchExpressions": [test]}, labels) is holds


def test_port_ranges_meet_where_they_overlap() -> None:
    assert intersection([PortRange("TCP", 80, 90)], [PortRange("TCP", 85, 100), PortRange("UDP", 80, 90)]) == {
        ("TCP", 85, 90)
    }


def test_addresses_are_read_from_a_stack_s_configuration() -> None:
    config = {
        "healthcare-mlops:endpoints": '{"vault": {"url": "https://10.1.2.3:8200"}, "kubernetes": {"url": "https://x"}}',
        "healthcare-mlops:networks": {"vpc": "10.40.0.0/16"},
        "healthcare-mlops:hospitals": [
            {"name": "north", "fhir": {"url": "https://f.example"}, "network": "10.50.0.0/24"}
        ],
    }
    found = read_places(config)
    assert found == Addresses(
        {
            "vault": Endpoint("10.1.2.3/32", 8200),
            "aws": Endpoint("10.40.0.0/16", 443),
            "postgresql": Endpoint("10.40.192.0/18", 5432),
        },
        {("north", "fhir"): Endpoint("10.50.0.0/24", 443)},
        frozenset({("north", "issuer"), ("north", "gateway-control"), ("north", "sign-in")}),
        vault="https://10.1.2.3:8200",
        pods="10.40.0.0/16",
    )
    gateway = {"jwksUri": "https://login.example/keys", "network": "10.41.1.0/24"}
    asked = read_places({**config, "healthcare-mlops:gateway": gateway})
    assert asked.of("north", "issuer") == Endpoint("10.41.1.0/24", 443)
    assert asked.of("north", "clinic") == Endpoint("10.50.0.0/24", 0)


@pytest.mark.parametrize(
    "write",
    [lambda path: None, lambda path: path.write_text("- not a table"), lambda path: path.write_text("zones: {phi: x}")],
)
def test_an_invalid_zone_table_is_refused_in_one_sentence(write: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "zones.yaml"
    write(path)
    with pytest.raises(PackError, match=r"zones\.yaml.* (does not have the form of this file|cannot be read)"):
        read(path)


def test_flows_have_the_service_accounts_and_ports_of_the_workload_table() -> None:
    table = zones()
    assert table.workload_zones["planner"] == "serving"
    assert Flow("planner", "model-server", 8443) in table.flows
    assert Flow("monitoring", "envoy", 19001) in table.flows
    assert not {"planning", "gateway"} & {end for flow in table.flows for end in (flow.source, flow.target)}


@pytest.mark.parametrize(
    "text", [None, "- not a table", "workloads: {ingest: {zone: phi}}", "workloads: [ingest]", "workloads: {x: 1}"]
)
def test_an_invalid_workload_table_is_refused_in_one_sentence(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "workloads.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PackError, match=r"workloads\.yaml (does not have the form of this file|cannot be read)"):
        read(TABLE, path)


def test_a_flow_to_a_port_that_no_workload_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "zones.yaml"
    path.write_text(TABLE.read_text().replace("port: https}", "port: ssh}"))
    with pytest.raises(PackError, match=r"zones\.yaml.* does not have the form of this file \('ssh' is missing\)"):
        read(path)
