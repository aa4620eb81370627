"""The connections between pods that NetworkPolicies allow: out of the source and into the target."""

from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.facts.network.policies import INGRESS, NetworkPolicy, Peer, PolicyRule
from policy_pack.facts.network.ports import ALL_PORTS, PortRange, intersection
from policy_pack.facts.network.selectors import matches
from policy_pack.facts.network.topology import PodGroup, Topology
from policy_pack.facts.zone_table import ZoneTable


@dataclass(frozen=True, eq=False)
class Connection:
    """An allowed connection between pods on some ports, with the policies that allow it.

    Parameters
    ----------
    source, target
        The pods.
    ports
        The ports of the target.
    egress_policy, ingress_policy
        The policies at both ends; no ingress policy where none isolates the target.
    """

    source: PodGroup
    target: PodGroup
    ports: PortRange
    egress_policy: NetworkPolicy
    ingress_policy: NetworkPolicy | None

    @property
    def path(self) -> str:
        """The connection for a message, with its policies."""
        ingress = f"ingress by {self.ingress_policy.resource.name}" if self.ingress_policy else "no ingress policy"
        policies = f"egress by {self.egress_policy.resource.name}, {ingress}"
        return f"{self.source.label} -> {self.target.label}:{self.ports.label} ({policies})"


def connections(topology: Topology) -> Iterator[Connection]:
    """Return every connection between pods that policies allow at both ends."""
    for source in topology.pod_groups:
        for policy, rule in source.egress:
            for target in _targets(rule, policy, topology):
                ranges = rule.port_ranges(target.named_ports)
                for ports, ingress_policy in _admitted(source, target, ranges):
                    yield Connection(source, target, ports, policy, ingress_policy)


def is_declared(connection: Connection, table: ZoneTable) -> bool:
    """Return whether the zone table has the flow of a connection: within one hospital, and on exactly its port."""
    source, target, ports = connection.source, connection.target, connection.ports
    declared = table.ports(source.workload, target.workload)
    same_hospital = source.namespace.hospital == target.namespace.hospital
    return same_hospital and ports.protocol == "TCP" and ports.single and ports.first in declared


def _targets(rule: PolicyRule, policy: NetworkPolicy, topology: Topology) -> Iterator[PodGroup]:
    if rule.peers is None:
        yield from topology.pod_groups
        return
    for peer in rule.peers:
        if peer.cidr is None:
            yield from topology.selected_pods(peer, policy)


def _admitted(
    source: PodGroup, target: PodGroup, ranges: tuple[PortRange, ...]
) -> Iterator[tuple[PortRange, NetworkPolicy | None]]:
    if INGRESS not in target.isolated:
        yield from ((ports, None) for ports in intersection(ranges, ALL_PORTS))
        return
    for policy, rule in target.ingress:
        if rule.peers is None or any(_selects(peer, source, policy) for peer in rule.peers):
            common = intersection(ranges, rule.port_ranges(target.named_ports))
            yield from ((ports, policy) for ports in common)


def _selects(peer: Peer, source: PodGroup, policy: NetworkPolicy) -> bool:
    if peer.cidr is not None:
        return False
    selector = peer.namespace_selector
    if selector is None:
        same_namespace = source.namespace.name == policy.namespace
    else:
        same_namespace = matches(selector, source.namespace.labels)
    return same_namespace and matches(peer.pod_selector, source.labels)
