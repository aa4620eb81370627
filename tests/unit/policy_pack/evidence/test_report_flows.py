"""Connections and data flows in the evidence of the development stack."""

from pathlib import Path

import pytest

from policy_pack.evidence.report import Report, report
from policy_pack.evidence.state_reader import StackState
from policy_pack.facts.network.connections import connections
from policy_pack.facts.network.topology import topology
from policy_pack.facts.zone_table import zones
from policy_pack.settings import load
from policy_pack.stack.checks import StackContext
from policy_pack.stack.external_endpoints import read_file
from policy_pack.stack.graph import Graph
from tests.policy import recorded
from tests.policy.builders import build
from tests.support.repository import REPOSITORY


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Report:
    graph = recorded.graph("dev", tmp_path_factory.mktemp("dev"))
    return report(StackState(graph, {}), load(), read_file(REPOSITORY / "Pulumi.dev.yaml"))


def test_the_network_map_has_the_flow_graph_s_edges(dev: Report, tmp_path: Path) -> None:
    graph = recorded.graph("dev", tmp_path)
    network = topology(StackContext(graph, load(), read_file(REPOSITORY / "Pulumi.dev.yaml")), zones())
    expected = {(edge.source.label, edge.target.label, edge.ports.label) for edge in connections(network)}
    actual = {(way.source, way.target, way.ports) for way in dev.network.connections if not way.external}
    assert actual == expected
    assert ("north-serving/planner", "north-serving/model-server", "8443") in actual
    assert {(way.target, way.declared) for way in dev.network.connections if way.source == "north-phi/ingestor"} == {
        ("aws", True),
        ("dns", True),
        ("postgresql", True),
        ("vault", True),
    }
    assert dev.network.cross_hospital() == []


def test_an_undeclared_connection_is_marked(tmp_path: Path) -> None:
    graph = recorded.graph("dev", tmp_path)
    wide = {
        "metadata": {"name": "wide", "namespace": "north-phi"},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443}]}],
        },
    }
    opened = Graph([*graph, build("kubernetes:networking.k8s.io/v1:NetworkPolicy", "wide", wide)], "dev")
    found = report(StackState(opened, {}), load(), read_file(REPOSITORY / "Pulumi.dev.yaml"))
    connections = [way for way in found.network.connections if way.target == "0.0.0.0/0"]
    assert {way.source for way in connections} == {
        "north-phi/ingestor", "north-phi/reidentifier", "north-phi/database-setup", "north-phi/database-removal",
        "north-phi/care",
    }  # fmt: skip
    assert not any(way.declared for way in connections if way.source.endswith("reidentifier"))


def test_the_program_s_data_flow_is_what_its_roles_allow(dev: Report) -> None:
    [north] = [flow for flow in dev.data_flows if flow.hospital == "north"]
    assert north.pseudonymisers == ("north-phi/care", "north-phi/ingestor")
    moves = {
        (step.source.rpartition("::")[2], step.target.rpartition("::")[2], step.operation) for step in north.movements
    }
    assert ("north-raw", "north-phi/ingestor", "read") in moves
    assert ("north-phi/ingestor", "north-curated", "write") in moves
    assert ("north-curated", "north-data/trainer", "read") in moves
    # Raw records are read by the ingestor alone, and nothing of another hospital is in the flow.
    assert {target for source, target, _ in moves if source == "north-raw"} == {"north-phi/ingestor"}
    assert not any("south" in end for move in moves for end in move)
    assert dev.cross_hospital == ()


def test_access_to_another_hospital_s_bucket_is_reported(tmp_path: Path) -> None:
    graph = recorded.graph("dev", tmp_path)
    [wide] = [r for r in graph.of("aws:iam/rolePolicy:RolePolicy") if r.name == "north-ingestor"]
    props = {**wide.props, "policy": str(wide.at("policy").text()).replace("-north-", "-south-")}
    swapped = Graph([*(r for r in graph if r is not wide), build(wide.type, wide.name, props)], "dev")
    found = report(StackState(swapped, {}), load(), None)
    assert found.cross_hospital
    assert {one.principal.namespace.partition("-")[0] for one in found.cross_hospital} == {"north"}
    assert {found.labels[one.store] for one in found.cross_hospital} <= {
        title for title in found.labels.values() if "south" in title
    }
