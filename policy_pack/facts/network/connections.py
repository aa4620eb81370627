"""The connections between pods that NetworkPolicies allow: out of the source and into the target."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from policy_pack.facts.network.policies import EGRESS, INGRESS, NetworkPolicy, Peer, PolicyRule, covers
from policy_pack.facts.network.ports import ALL_PORTS, PortRange, intersection
from policy_pack.facts.network.selectors import matches
from policy_pack.facts.network.topology import PodGroup, Topology
from policy_pack.facts.zone_table import ZoneTable

_NO_POLICY: list[tuple[NetworkPolicy | None, PolicyRule]] = [(None, PolicyRule(None, None))]


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
        The policies at both ends; None where no policy isolates the pods in that direction.
    """

    source: PodGroup
    target: PodGroup
    ports: PortRange
    egress_policy: NetworkPolicy | None
    ingress_policy: NetworkPolicy | None

    @property
    def path(self) -> str:
        """The connection for a message, with its policies."""
        ingress = f"ingress by {self.ingress_policy.resource.name}" if self.ingress_policy else "no ingress policy"
        egress = f"egress by {self.egress_policy.resource.name}" if self.egress_policy else "no egress policy"
        policies = f"{egress}, {ingress}"
        return f"{self.source.label} -> {self.target.label}:{self.ports.label} ({policies})"


def connections(topology: Topology) -> Iterator[Connection]:
    """Return every connection between pods that policies allow at both ends."""
    targets = _Targets(topology)
    for source in topology.pod_groups:
        ways: Iterable[tuple[NetworkPolicy | None, PolicyRule]] = source.egress
        if EGRESS not in source.isolated:
            # A policy that is not known yet may isolate the pods.
            ways = () if topology.is_unknown(source.namespace.name) else _NO_POLICY
        for policy, rule in ways:
            for target in targets.of(rule, policy):
                for ports, ingress_policy in _admitted(source, target, rule.port_ranges(target.named_ports), topology):
                    yield Connection(source, target, ports, policy, ingress_policy)


def is_declared(connection: Connection, table: ZoneTable) -> bool:
    """Return whether the zone table has the flow of a connection: within one hospital, and on exactly its port."""
    source, target, ports = connection.source, connection.target, connection.ports
    declared = table.ports(source.workload, target.workload)
    same_hospital = source.namespace.hospital == target.namespace.hospital
    return same_hospital and ports.protocol == "TCP" and ports.single and ports.first in declared


@dataclass
class _Targets:
    """The pods that rules select; pods that admit none of a rule's ports are left out."""

    topology: Topology
    _open: dict[tuple[PortRange, ...], list[PodGroup]] = field(default_factory=dict)

    def of(self, rule: PolicyRule, policy: NetworkPolicy | None) -> Iterator[PodGroup]:
        """Return the pods that a rule selects, each once."""
        if rule.peers is None or policy is None or any(self._is_any(peer) for peer in rule.peers):
            yield from self._admitting(rule)
            return
        seen: set[int] = set()
        for peer in rule.peers:
            for group in () if peer.cidr is not None else self.topology.selected_pods(peer, policy):
                if id(group) not in seen:
                    seen.add(id(group))
                    yield group

    def _is_any(self, peer: Peer) -> bool:
        return not peer.written or covers(peer, self.topology.pod_network)

    def _admitting(self, rule: PolicyRule) -> list[PodGroup]:
        """Return the pods that admit a port of a rule from somewhere, computed once for equal ports."""
        if rule.has_names:
            return self.topology.pod_groups
        ranges = rule.port_ranges(None)
        if ranges not in self._open:
            self._open[ranges] = [group for group in self.topology.pod_groups if _admits(group, ranges)]
        return self._open[ranges]


def _admits(group: PodGroup, ranges: tuple[PortRange, ...]) -> bool:
    if INGRESS not in group.isolated:
        return True
    return any(intersection(ranges, rule.port_ranges(group.named_ports)) for _, rule in group.ingress)


def _admitted(
    source: PodGroup, target: PodGroup, ranges: tuple[PortRange, ...], topology: Topology
) -> Iterator[tuple[PortRange, NetworkPolicy | None]]:
    if INGRESS not in target.isolated:
        # A policy that is not known yet may isolate the pods.
        if not topology.is_unknown(target.namespace.name):
            yield from ((ports, None) for ports in intersection(ranges, ALL_PORTS))
        return
    for policy, rule in target.ingress:
        if rule.peers is None or any(_selects(peer, source, policy, topology) for peer in rule.peers):
            common = intersection(ranges, rule.port_ranges(target.named_ports))
            yield from ((ports, policy) for ports in common)


def _selects(peer: Peer, source: PodGroup, policy: NetworkPolicy, topology: Topology) -> bool:
    if peer.cidr is not None or not peer.written:
        return not peer.written or covers(peer, topology.pod_network)
    selector = peer.namespace_selector
    if selector is None:
        same_namespace = source.namespace.name == policy.namespace
    else:
        same_namespace = matches(selector, source.namespace.labels)
    return same_namespace and matches(peer.pod_selector, source.labels)
