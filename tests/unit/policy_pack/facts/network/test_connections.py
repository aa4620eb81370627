"""Connections are those that the API means: random policies, compared with an evaluator that packets check.

`tests/integration/netpol` compares the same evaluator with the kernel's packets.
"""

import random
from typing import Any

import pytest

from policy_pack.facts.network.connections import connections
from policy_pack.facts.network.topology import PodGroup, Topology, topology
from policy_pack.facts.zone_table import ZoneTable
from policy_pack.stack.checks import StackContext
from policy_pack.stack.external_endpoints import Addresses
from policy_pack.stack.graph import Graph, Resource
from tests.netpol import generate
from tests.netpol.generate import NAMESPACES, PORTS, PROTOCOLS
from tests.netpol.reference import Cluster, Edge
from tests.policy import world
from tests.policy.builders import STACK, build

POD_CIDR = "10.9.0.0/16"
SEEDS = 320
NOTHING = ZoneTable(frozenset(), {}, frozenset(), {}, (), {}, {})
Json = dict[str, Any]


def cluster(seed: int, *, blocks: bool) -> Cluster:
    rng = random.Random(seed)
    addresses = [f"10.9.{home}.{number}" for home in range(len(NAMESPACES)) for number in (1, 2)]
    pods = [
        generate.pod(rng, f"pod-{number}", NAMESPACES[number // 2], address) for number, address in enumerate(addresses)
    ]
    policies = [generate.policy(rng, number, addresses) for number in range(rng.randint(1, 6))]
    if not blocks:
        policies = [policy for policy in policies if "ipBlock" not in str(policy)]
    return Cluster(generate.namespaces(rng), pods, policies, POD_CIDR, frozenset())


def network(of: Cluster) -> Topology:
    resources: list[Resource] = []
    for kind, objects in (
        ("core/v1:Namespace", of.namespaces),
        ("core/v1:Pod", of.pods),
        ("networking.k8s.io/v1:NetworkPolicy", of.policies),
    ):
        resources += [build(f"kubernetes:{kind}", one["metadata"]["name"], one) for one in objects]
    context = StackContext(Graph(resources, STACK), world.settings(), Addresses({}, {}, pods=POD_CIDR))
    return topology(context, NOTHING)


def address(group: PodGroup) -> str:
    assert group.resource is not None
    return str(group.resource.props["status"]["podIP"])


def computed(of: Cluster) -> set[Edge]:
    found = set()
    for connection in connections(network(of)):
        source, target, ports = address(connection.source), address(connection.target), connection.ports
        found |= {Edge(source, target, ports.protocol, port) for port in PORTS if ports.first <= port <= ports.last}
    return {edge for edge in found if edge.source != edge.target}


def meant(of: Cluster, addresses: list[str]) -> set[Edge]:
    edges = (
        Edge(source, target, protocol, port)
        for source in addresses
        for target in addresses
        if source != target
        for protocol in PROTOCOLS
        for port in PORTS
    )
    return {edge for edge in edges if of.allowed(edge)}


@pytest.mark.parametrize("block", range(4))
def test_random_policies_mean_what_the_api_says(block: int) -> None:
    allowed = 0
    for seed in range(block, SEEDS, 4):
        of = cluster(seed, blocks=False)
        groups = [address(group) for group in network(of).pod_groups]
        expected = meant(of, groups)
        assert {e for e in computed(of) if {e.source, e.target} <= set(groups)} == expected, f"seed {seed}"
        allowed += len(expected)
    assert allowed > 0


@pytest.mark.parametrize("block", range(4))
def test_blocks_with_addresses_of_pods_count_as_these_pods(block: int) -> None:
    for seed in range(block, SEEDS, 4):
        of = cluster(seed, blocks=True)
        groups = [address(group) for group in network(of).pod_groups]
        assert meant(of, groups) <= computed(of), f"seed {seed}"
