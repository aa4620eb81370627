"""Every pair of workloads, tried with packets: what the zone table allows connects, and nothing else does."""

import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes import client
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from local.paths import (
    API_PORT,
    API_SERVICE_IP,
    AWS_PORT,
    BAO_PORT,
    DNS_IP,
    INJECTOR_PORT,
    KEYCLOAK_PORT,
    KUBELET_PORT,
    NODE_IP,
    POSTGRES_PORT,
    WORKLIST_PORT,
    Home,
)
from local.stack import jobs
from tests.integration.network.zone_matrix import Matrix, Pod, Row, flows, rows
from tests.integration.network.zone_probes import INTERNET, METADATA, Probes, Target, outside

HOSPITALS = ("north", "south")
COMMON = (22, 53, 80, 443, 2375, 3306, 5432, 6379, 8080, 8443)
NODE_PORTS = (
    22,
    API_PORT,
    KUBELET_PORT,
    2379,
    BAO_PORT,
    AWS_PORT,
    KEYCLOAK_PORT,
    POSTGRES_PORT,
    INJECTOR_PORT,
    WORKLIST_PORT,
)
OUTSIDE_TCP, OUTSIDE_UDP = [53, 80, 443, 8443], [53, 443]
NAME_OUTSIDE = "example.com"
REACHED = frozenset({"answered", "refused"})
"""A port on which nobody listens is refused by the pod's own kernel: the packet arrived, and so did the answer."""
PROMPT = 20.0


@dataclass(frozen=True)
class Edge:
    """A target as one workload sees it, and whether packets may pass."""

    source: Pod
    what: str
    target: Target
    allowed: bool


def ports_of(row: Row) -> list[int]:
    """Return the declared ports of a workload, their neighbours, and the common ones."""
    near = {port + step for port in row.ports for step in (-1, 0, 1)}
    return sorted(near | set(COMMON))


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return Matrix()


@pytest.fixture(scope="module")
def workloads(probes: Probes) -> dict[Pod, Row]:
    return {
        Pod(hospital, row.zone, row.account): row
        for hospital in HOSPITALS
        for row in rows()
        if probes.deployed(hospital, row)
    }


@pytest.fixture(scope="module")
def probes(home: Home) -> Iterator[Probes]:
    with jobs.connect(home) as api:
        made = Probes(api)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def edges(probes: Probes, workloads: dict[Pod, Row], matrix: Matrix) -> Iterator[list[Edge]]:
    listening = {pod: ports_of(row) for pod, row in workloads.items()}
    declared = sorted({port for row in workloads.values() for port in row.ports})
    with outside(OUTSIDE_TCP, OUTSIDE_UDP):
        probes.start(workloads, listening, declared)
        yield [
            edge
            for source in workloads
            for edge in (
                *between(probes, matrix, source, listening, declared),
                *to_machines(matrix, source),
                *to_dns(probes, matrix, source),
            )
        ]


def between(
    probes: Probes, matrix: Matrix, source: Pod, listening: dict[Pod, list[int]], udp: list[int]
) -> Iterator[Edge]:
    """Yield the ports of all other workloads."""
    for target, ports in listening.items():
        if target == source:
            continue
        for protocol, number in [*(("TCP", port) for port in ports), *(("UDP", port) for port in udp)]:
            allowed = matrix.between(source, target, protocol, number)
            name = f"{target.namespace}/{target.account}"
            yield Edge(source, name, (protocol, probes.addresses[target], number), allowed)


def to_machines(matrix: Matrix, source: Pod) -> Iterator[Edge]:
    """Yield ports of the node's addresses, of the API server, the metadata address and the internet."""
    machine = next(
        line.split()[3].partition("/")[0]
        for line in subprocess.check_output(
            ["ip", "-4", "-o", "addr", "show", "scope", "global"], text=True
        ).splitlines()
        if " eth0 " in line or " en" in line
    )
    targets: list[Target] = [("TCP", address, port) for address in (NODE_IP, machine) for port in NODE_PORTS]
    targets += [("TCP", address, port) for address in (METADATA, INTERNET) for port in OUTSIDE_TCP]
    targets += [("UDP", INTERNET, port) for port in OUTSIDE_UDP]
    for protocol, address, port in targets:
        allowed = matrix.out(source, protocol, port, address=address)
        yield Edge(source, "machine", (protocol, address, port), allowed)
    # A Service's address stands for the address behind it.
    allowed = matrix.out(source, "TCP", API_PORT, address=NODE_IP)
    yield Edge(source, "API server", ("TCP", API_SERVICE_IP, 443), allowed)


def to_dns(probes: Probes, matrix: Matrix, source: Pod) -> Iterator[Edge]:
    """Yield the cluster's DNS, by its Service and by its pods."""
    core: Any = client.CoreV1Api(probes.api)
    [pod] = core.list_namespaced_pod("kube-system", label_selector="k8s-app=kube-dns").items
    behind = core.read_namespaced_service("kube-dns", "kube-system").spec.ports
    for port in behind:
        number = next(
            one.container_port
            for one in pod.spec.containers[0].ports
            if port.target_port in (one.name, one.container_port)
        )
        for address, asked in ((DNS_IP, port.port), (pod.status.pod_ip, number)):
            if port.protocol == "TCP" or port.port == 53:
                allowed = matrix.out(source, port.protocol, number, dns=True)
                yield Edge(source, "DNS", (port.protocol, address, asked), allowed)
    yield Edge(source, "DNS", ("TCP", pod.status.pod_ip, 8080), matrix.out(source, "TCP", 8080, dns=True))


def tried(probes: Probes, edges: list[Edge]) -> dict[Edge, str]:
    """Return what each workload saw of each target."""
    targets: dict[Pod, list[Edge]] = {}
    for edge in edges:
        targets.setdefault(edge.source, []).append(edge)
    outcomes = probes.ask({source: [edge.target for edge in some] for source, some in targets.items()})
    return {
        edge: outcome for source, some in targets.items() for edge, outcome in zip(some, outcomes[source], strict=True)
    }


def test_the_graph_of_the_stack_is_the_zone_table(matrix: Matrix) -> None:
    graph = {
        (source.account, target.account, first)
        for source, target, protocol, first, last in matrix.edges
        if protocol == "TCP" and first == last and source.hospital == target.hospital
    }
    assert graph == {flow for flow in flows() if {flow[0], flow[1]} <= matrix.declared}
    assert graph
    assert not [
        edge for edge in matrix.edges if edge[0].hospital != edge[1].hospital or edge[2] != "TCP" or edge[3] != edge[4]
    ]


def test_every_target_answers_where_no_policy_is_in_the_way(probes: Probes, edges: list[Edge]) -> None:
    with probes.opened():
        for attempt in until_enforced():
            with attempt:
                outcomes = tried(probes, edges)
                assert described(edge for edge in edges if outcomes[edge] not in REACHED) == []


def test_what_the_table_allows_connects_and_nothing_else_does(
    probes: Probes, edges: list[Edge], workloads: dict[Pod, Row]
) -> None:
    assert {pod.zone for pod in workloads} >= {"phi", "data", "serving"}
    for attempt in until_enforced():
        with attempt:
            outcomes = tried(probes, edges)
            assert described(edge for edge in edges if edge.allowed != (outcomes[edge] in REACHED)) == []
    assert {edge.allowed for edge in edges if edge.what not in ("machine", "DNS")} == {True, False}


def test_no_workload_reaches_a_name_outside(probes: Probes, edges: list[Edge]) -> None:
    sources = {edge.source for edge in edges}
    outcomes = probes.ask({source: [("TCP", NAME_OUTSIDE, 443)] for source in sources})
    assert set().union(*outcomes.values()) == {"silent"}


def described(edges: Iterable[Edge]) -> list[str]:
    """Return edges in words, for the message of a failure."""
    return sorted(
        f"{edge.source.namespace}/{edge.source.account} to {edge.what} {edge.target}, allowed: {edge.allowed}"
        for edge in edges
    )


def until_enforced() -> Retrying:
    """Try again until a changed policy is enforced."""
    return Retrying(
        stop=stop_after_delay(PROMPT), wait=wait_fixed(0.2), retry=retry_if_exception_type(AssertionError), reraise=True
    )
