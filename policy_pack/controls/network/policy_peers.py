"""The peers of each NetworkPolicy, compared with the zone table whatever the policies at the other end allow."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from policy_pack.facts.network.policies import EGRESS, INGRESS, NetworkPolicy, Peer, PolicyRule
from policy_pack.facts.network.selectors import normalized
from policy_pack.facts.network.topology import PodGroup, Topology
from policy_pack.facts.zone_table import SHARED, PlatformPods, ZoneTable, platform_namespaces
from policy_pack.stack.checks import Findings, violation

# Ends of one policy that a message names.
_NAMED = 3


@dataclass(frozen=True)
class _PolicyPeer:
    """A peer with its rule, its policy and the direction."""

    policy: NetworkPolicy
    rule: PolicyRule
    peer: Peer
    ingress: bool

    def path(self, one: str, other: str) -> str:
        return f"{other} -> {one}" if self.ingress else f"{one} -> {other}"


def undeclared_peers(network: Topology, table: ZoneTable, told: Collection[str]) -> Findings:
    """Yield the policies that allow, at their own end, a connection that is not in the zone table.

    Parameters
    ----------
    network, table
        The topology and the zone table.
    told
        The URNs of policies of which a connection is a finding already.
    """
    own: dict[NetworkPolicy, list[PodGroup]] = {policy: [] for policy in network.policies}
    for group in network.pod_groups:
        for policy in dict.fromkeys(policy for policy, _ in (*group.egress, *group.ingress)):
            own[policy].append(group)
    for policy, groups in own.items():
        if policy.resource.urn in told:
            continue
        paths = sorted({path for one in _peers(policy) for path in _undeclared(one, groups, network, table)})
        if paths:
            more = f"; and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
            allowed = f"{'; '.join(paths[:_NAMED])}{more} is allowed by {policy.resource.name}"
            yield violation(f"{allowed}, and is not in the zone table", "", policy.resource)


def _peers(policy: NetworkPolicy) -> Iterator[_PolicyPeer]:
    for direction, rules in ((EGRESS, policy.egress), (INGRESS, policy.ingress)):
        if direction in policy.types:
            for rule in rules:
                for peer in rule.peers or ():
                    yield _PolicyPeer(policy, rule, peer, direction == INGRESS)


def _undeclared(one: _PolicyPeer, own: list[PodGroup], network: Topology, table: ZoneTable) -> Iterator[str]:
    """Return the paths between a policy's pods and a peer's that are not in the zone table.

    Networks, and pods of the platform as peers of hospitals' pods, are compared for each group of pods.
    """
    in_platform = one.policy.namespace in platform_namespaces()
    if not in_platform and not own:
        yield one.path(f"{one.policy.namespace}/pods that are no workload", "its peers")
        return
    if one.peer.cidr is not None:
        return
    groups = list(network.selected_pods(one.peer, one.policy))
    ends = [group for group in groups if group.namespace.name not in platform_namespaces()]
    if not ends and _hospitals_namespaces(one, network):
        label = f"{', '.join(_hospitals_namespaces(one, network))}/pods that are no workload"
        yield one.path(one.policy.namespace if in_platform else own[0].label, label)
    for end in ends:
        if in_platform:
            if not _is_platform_flow(one, end, table):
                yield one.path(f"pods of {one.policy.namespace}", end.label)
            continue
        for group in own:
            source, target = (end, group) if one.ingress else (group, end)
            yield from (one.path(group.label, end.label) for _ in _undeclared_ports(one, source, target, table))


def _hospitals_namespaces(one: _PolicyPeer, network: Topology) -> list[str]:
    """Return the namespaces of hospitals in which a peer selects pods."""
    if one.peer.namespace_selector is None:
        own = network.namespaces.get(one.policy.namespace)
        selected = [own] if own else []
    else:
        selected = list(network.selected_namespaces(one.peer))
    return [one.name for one in selected if one.hospital not in ("", SHARED)]


def _undeclared_ports(one: _PolicyPeer, source: PodGroup, target: PodGroup, table: ZoneTable) -> Iterator[str]:
    """Return the ports of a rule on which a workload may not connect to another."""
    declared = table.ports(source.workload, target.workload)
    if source.namespace.hospital != target.namespace.hospital:
        declared = set()
    for ports in one.rule.port_ranges(target.named_ports):
        if not (ports.protocol == "TCP" and ports.single and ports.first in declared):
            yield ports.label


def _is_platform_flow(one: _PolicyPeer, end: PodGroup, table: ZoneTable) -> bool:
    """Return whether the zone table has a flow between a policy's pods of the platform and a workload, on its port."""
    ranges = one.rule.port_ranges(None if one.ingress else end.named_ports)
    return any(
        _selects(one.policy, pods) and all(ports == ("TCP", port, port) for ports in ranges)
        for pods, port in table.platform_peers(end.workload, ingress=not one.ingress)
    )


def _selects(policy: NetworkPolicy, pods: PlatformPods) -> bool:
    same = policy.namespace == pods.namespace
    return same and normalized(policy.pod_selector) == {"matchLabels": pods.labels}
