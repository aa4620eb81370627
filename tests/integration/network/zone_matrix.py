"""Which packets of workloads may pass: by the policy pack's evaluation of the recorded stack, and by the table."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from policy_pack.facts.network.connections import connections
from policy_pack.facts.network.topology import PodGroup, Topology, topology
from policy_pack.facts.zone_table import zones
from policy_pack.settings import load
from policy_pack.stack.checks import StackContext
from policy_pack.stack.external_endpoints import read_file
from tests.policy import recorded
from tests.support.repository import REPOSITORY

TABLES = REPOSITORY / "workloads"


@dataclass(frozen=True, order=True)
class Pod:
    """The pods of a workload: hospital, zone, and the label ``app.kubernetes.io/name``."""

    hospital: str
    zone: str
    account: str

    @property
    def namespace(self) -> str:
        return f"{self.hospital}-{self.zone}"


@dataclass(frozen=True, order=True)
class Row:
    """A row of workloads.yaml, as far as packets are concerned."""

    name: str
    zone: str
    account: str
    pool: str
    ports: tuple[int, ...]


def rows() -> tuple[Row, ...]:
    """Return the rows of workloads.yaml that have pods."""
    table = yaml.safe_load((TABLES / "workloads.yaml").read_text(encoding="utf-8"))["workloads"]
    return tuple(
        Row(name, row["zone"], row["service_account"], row["pool"], tuple((row.get("ports") or {}).values()))
        for name, row in table.items()
        if not row.get("person")
    )


def flows() -> set[tuple[str, str, int]]:
    """Return the flows between workloads as zones.yaml has them: accounts of both, and the port's number."""
    table = yaml.safe_load((TABLES / "workloads.yaml").read_text(encoding="utf-8"))["workloads"]
    declared = yaml.safe_load((TABLES / "zones.yaml").read_text(encoding="utf-8"))["flows"]
    return {
        (table[flow["source"]]["service_account"], table[flow["target"]]["service_account"], ports[flow["port"]])
        for flow in declared
        if flow["source"] in table and flow["target"] in table
        for ports in [table[flow["target"]]["ports"]]
    }


class Matrix:
    """The policy pack's evaluation of the dev stack as the program declares it."""

    @cached_property
    def _topology(self) -> Topology:
        addresses = read_file(Path(REPOSITORY / "Pulumi.dev.yaml"))
        return topology(StackContext(recorded.unchanged("dev").graph(), load(), addresses), zones())

    @cached_property
    def edges(self) -> frozenset[tuple[Pod, Pod, str, int, int]]:
        """Connections between pods of hospitals: protocol, first and last port."""
        return frozenset(
            (source, target, found.ports.protocol, found.ports.first, found.ports.last)
            for found in connections(self._topology)
            for source in _pod(found.source)
            for target in _pod(found.target)
        )

    @cached_property
    def declared(self) -> frozenset[str]:
        """Accounts of the workloads that the stack declares, whose pods policies allow something."""
        return frozenset(group.workload for group in self._topology.pod_groups if group.egress or group.ingress)

    def between(self, source: Pod, target: Pod, protocol: str, port: int) -> bool:
        """Return whether packets pass from pods to pods on a port."""
        return any(
            (one, other, name) == (source, target, protocol) and first <= port <= last
            for one, other, name, first, last in self.edges
        )

    def out(self, source: Pod, protocol: str, port: int, *, address: str = "", dns: bool = False) -> bool:
        """Return whether packets pass from pods to an address outside all pods, or to the cluster's DNS."""
        for group in self._topology.pod_groups:
            if source not in _pod(group):
                continue
            for _, rule in group.egress:
                on_port = any(
                    one.protocol == protocol and one.first <= port <= one.last for one in rule.port_ranges(None)
                )
                for peer in rule.peers or ():
                    inside = bool(address and peer.cidr) and ipaddress.ip_address(address) in ipaddress.ip_network(
                        str(peer.cidr)
                    )
                    if on_port and (inside or (dns and peer.is_kube_dns)):
                        return True
        return False


def _pod(group: PodGroup) -> Iterator[Pod]:
    if group.workload:
        yield Pod(group.namespace.hospital, group.namespace.zone, group.workload)
