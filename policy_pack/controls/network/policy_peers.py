"""The peers of each NetworkPolicy, compared with the zone table whatever the policies at the other end allow."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from policy_pack.facts.network.policies import (
    EGRESS,
    INGRESS,
    KUBE_DNS_PORTS,
    NetworkPolicy,
    Peer,
    PolicyRule,
    is_any_address,
    is_inside,
)
from policy_pack.facts.network.selectors import normalized
from policy_pack.facts.network.topology import PodGroup, Topology
from policy_pack.facts.zone_table import (
    DNS_PORTS,
    SHARED,
    PlatformNamespace,
    PlatformPods,
    ZoneTable,
    platform,
    platform_namespaces,
)
from policy_pack.stack.checks import Findings, violation
from policy_pack.stack.external_endpoints import Addresses, Endpoint

# Ends of one policy that a message names.
_NAMED = 3
_API, _KUBELET, _VAULT = 443, 10250, 8200


@dataclass(frozen=True)
class _PolicyPeer:
    """A peer with its rule, its policy and the direction."""

    policy: NetworkPolicy
    rule: PolicyRule
    peer: Peer
    ingress: bool

    def path(self, one: str, other: str) -> str:
        return f"{other} -> {one}" if self.ingress else f"{one} -> {other}"


def undeclared_peers(
    network: Topology, table: ZoneTable, told: Collection[str], addresses: Addresses | None
) -> Findings:
    """Yield the policies that allow, at their own end, a connection that is not in the zone table.

    Parameters
    ----------
    network, table
        The topology and the zone table.
    told
        The URNs of policies of which a connection is a finding already.
    addresses
        The addresses of external endpoints.
    """
    own: dict[NetworkPolicy, list[PodGroup]] = {policy: [] for policy in network.policies}
    for group in network.pod_groups:
        for policy in dict.fromkeys(policy for policy, _ in (*group.egress, *group.ingress)):
            own[policy].append(group)
    for policy, groups in own.items():
        if policy.resource.urn in told:
            continue
        of_platform = policy.namespace in platform_namespaces()
        found = (
            path
            for one in _peers(policy)
            for path in (
                _undeclared_of_platform(one, network, table, addresses)
                if of_platform
                else _undeclared(one, groups, network, table)
            )
        )
        paths = sorted(set(found))
        if paths:
            more = f"; and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
            allowed = f"{'; '.join(paths[:_NAMED])}{more} is allowed by {policy.resource.name}"
            yield violation(f"{allowed}, and is not in the zone table", "", policy.resource)


def _peers(policy: NetworkPolicy) -> Iterator[_PolicyPeer]:
    for direction, rules in ((EGRESS, policy.egress), (INGRESS, policy.ingress)):
        if direction in policy.types:
            for rule in rules:
                for peer in rule.peers if rule.peers is not None else (Peer({"namespaceSelector": {}}),):
                    yield _PolicyPeer(policy, rule, peer, direction == INGRESS)


def _undeclared(one: _PolicyPeer, own: list[PodGroup], network: Topology, table: ZoneTable) -> Iterator[str]:
    """Return the paths between a workload's policy and its peers' pods that are not in the zone table.

    Networks, and pods of the platform as peers, are compared for each group of pods.
    """
    if not own:
        yield one.path(f"{one.policy.namespace}/pods that are no workload", "its peers")
        return
    if one.peer.cidr is not None:
        return
    groups = list(network.selected_pods(one.peer, one.policy))
    if not groups:
        yield from (one.path(own[0].label, label) for label in _no_workload(one, network))
    for end in groups:
        if end.namespace.name in platform_namespaces():
            continue
        for group in own:
            source, target = (end, group) if one.ingress else (group, end)
            yield from (one.path(group.label, end.label) for _ in _undeclared_ports(one, source, target, table))


def _no_workload(one: _PolicyPeer, network: Topology) -> Iterator[str]:
    names = _hospitals_namespaces(one, network)
    if names:
        yield f"{', '.join(names)}/pods that are no workload"


def _undeclared_of_platform(
    one: _PolicyPeer, network: Topology, table: ZoneTable, addresses: Addresses | None
) -> Iterator[str]:
    """Return the paths between a policy's pods of the platform and a peer that neither table has."""
    row, label = platform()[one.policy.namespace], f"pods of {one.policy.namespace}"
    if one.peer.cidr is not None:
        if not _is_network_of_platform(one, row, addresses):
            yield one.path(label, f"{one.peer.cidr}:{', '.join(ports.label for ports in one.rule.port_ranges(None))}")
        return
    dns = all(ports.single and ports.first in DNS_PORTS for ports in one.rule.port_ranges(KUBE_DNS_PORTS))
    inside = one.peer.namespace_selector is None or one.peer.namespace_names == frozenset({one.policy.namespace})
    if (inside and row.internal) or (one.peer.is_kube_dns and dns and not one.ingress):
        return
    ends = list(network.selected_pods(one.peer, one.policy))
    if not ends:
        names = one.peer.namespace_names or ()
        yield one.path(label, ", ".join(sorted(names)) or "pods of any namespace")
    for end in ends:
        if not _is_platform_flow(one, end, table):
            yield one.path(label, end.label)


def _is_network_of_platform(one: _PolicyPeer, row: PlatformNamespace, addresses: Addresses | None) -> bool:
    """Return whether a network is the API server, the kubelets or Vault, on exactly its port."""
    ranges, cidr = one.rule.port_ranges(None), str(one.peer.cidr)
    vault, vpc = (addresses.of("", name) if addresses else None for name in ("vault", "aws"))
    inside = vpc.network if vpc else ""
    if one.ingress:
        allowed = [(inside, row.webhook_port)]
    else:
        names = {"api": (inside, _API), "kubelets": (inside, _KUBELET), "vault": _of(vault)}
        allowed = [names[name] for name in row.egress if name in names]
    return not is_any_address(cidr) and any(
        (not network or is_inside(cidr, network)) and all(ports == ("TCP", port, port) for ports in ranges)
        for network, port in allowed
    )


def _of(endpoint: Endpoint | None) -> tuple[str, int]:
    return (endpoint.network, endpoint.port) if endpoint else ("", _VAULT)


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
