"""Zone flows: every connection that NetworkPolicies allow, compared with the zone table."""

from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.controls.network.policy_peers import undeclared_peers
from policy_pack.controls.rules import stack_check
from policy_pack.facts.network.connections import connections, is_declared
from policy_pack.facts.network.policies import (
    ANY_NAMESPACE_PODS,
    EGRESS,
    INGRESS,
    KUBE_DNS_PORTS,
    NAMESPACE_NAME_LABEL,
    NetworkPolicy,
    Peer,
    PolicyRule,
    is_any_address,
    is_inside,
)
from policy_pack.facts.network.ports import PortRange
from policy_pack.facts.network.topology import PodGroup, Topology, topology
from policy_pack.facts.zone_table import DNS, DNS_PORTS, SHARED, ZoneTable, platform_namespaces, zones
from policy_pack.stack.checks import Finding, Findings, StackContext, not_yet_known, violation
from policy_pack.stack.external_endpoints import Addresses
from policy_pack.stack.graph import Resource

# Connections of one policy that a message names.
_NAMED = 3


@stack_check("SEG-02")
def only_declared_flows_are_allowed(context: StackContext) -> Findings:
    """Refuse every allowed connection that is not in the zone table."""
    table = zones()
    network = topology(context, table)
    yield from network.findings
    for group in network.pod_groups:
        yield from _isolation(group, network)
        # Pods of the platform are not workloads of the zone table: what they exchange with hospitals' pods is.
        if group.namespace.name not in platform_namespaces():
            yield from _zone(group, table)
            yield from _external_peers(group, network, table, context)
    yield from _connections(network, table, context.addresses)


def _connections(network: Topology, table: ZoneTable, addresses: Addresses | None) -> Findings:
    """Yield the connections that are not in the zone table, as one finding for each policy or pod that allows them."""
    by_resource: dict[str, tuple[Resource | None, list[str]]] = {}
    told: set[str] = set()
    for connection in connections(network):
        ends = {connection.source.namespace.name, connection.target.namespace.name}
        if not ends <= platform_namespaces() and not is_declared(connection, table):
            policy = connection.egress_policy or connection.ingress_policy
            resource = policy.resource if policy else connection.source.resource
            both = (connection.egress_policy, connection.ingress_policy)
            told |= {one.resource.urn for one in both if one}
            by_resource.setdefault(resource.urn if resource else "", (resource, []))[1].append(connection.path)
    for resource, paths in by_resource.values():
        more = len(set(paths)) - _NAMED
        named = "; ".join(sorted(set(paths))[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
        yield violation(f"{named} is allowed, and is not in the zone table", "", resource)
    yield from undeclared_peers(network, table, told, addresses)


# --- pods ----------------------------------------------------------------------------------------
def _zone(group: PodGroup, table: ZoneTable) -> Findings:
    """Yield whether pods are a workload of the zone table, and in its zone."""
    zone = table.workload_zones.get(group.workload)
    if zone is None:
        message = (
            f"{group.label} is not a workload of the zone table; describe it in workloads/workloads.yaml, or its "
            "namespace in workloads/platform/charts.yaml"
        )
        yield violation(message, "", group.resource)
    elif zone != group.namespace.zone:
        actual = f"zone {group.namespace.zone}" if group.namespace.zone else "no zone"
        yield violation(f"{group.label} runs in {actual}; its zone in the zone table is {zone}", "", group.resource)


def _isolation(group: PodGroup, network: Topology) -> Findings:
    """Yield whether a policy isolates pods in both directions."""
    for direction in (EGRESS, INGRESS):
        if direction in group.isolated:
            continue
        if network.is_unknown(group.namespace.name):
            yield not_yet_known(f"{direction} policies of {group.namespace.name}", group.resource)
        else:
            message = f"{_to_anywhere(group, direction)} is allowed: no NetworkPolicy selects the pods for {direction}"
            yield violation(message, "", group.resource)


def _to_anywhere(group: PodGroup, direction: str) -> str:
    return f"{group.label} -> anything" if direction == EGRESS else f"anything -> {group.label}"


# --- external peers ------------------------------------------------------------------------------
def _external_peers(group: PodGroup, network: Topology, table: ZoneTable, context: StackContext) -> Findings:
    for direction, rules in ((EGRESS, group.egress), (INGRESS, group.ingress)):
        for policy, rule in rules:
            if rule.peers is None:
                message = f"{_to_anywhere(group, direction)} is allowed: a rule has no peers"
                yield violation(message, "", policy.resource)
    for policy, rule in group.ingress:
        for peer in rule.peers or ():
            yield from _undeclared_pods(group, _RulePeer(peer, policy, rule, ingress=True), network, table)
            if peer.cidr is not None and not _is_ingress_endpoint(group, peer.cidr, rule, table, context):
                path = f"{peer.cidr} -> {group.label}"
                yield violation(f"{path} is allowed, and is not a flow of the zone table", "", policy.resource)
    for policy, rule in group.egress:
        for peer in rule.peers or ():
            if not (peer.is_kube_dns and _is_dns_flow(group, rule, table)):
                yield from _undeclared_pods(group, _RulePeer(peer, policy, rule, ingress=False), network, table)
    yield from _egress_networks(group, table, context)


def _is_ingress_endpoint(group: PodGroup, cidr: str, rule: PolicyRule, table: ZoneTable, context: StackContext) -> bool:
    """Return whether a network is an endpoint that may connect to a workload, on exactly the port of the flow.

    Where the configuration does not have the address of the endpoint, any network but the whole internet can be it.
    """
    ranges = rule.port_ranges(group.named_ports)
    for flow in table.ingress_flows(group.workload):
        endpoint = context.addresses.of(group.namespace.hospital, flow.source) if context.addresses else None
        network = endpoint.network if endpoint else "" if context.addresses else cidr
        if flow.port is None or not network or is_any_address(network):
            continue
        if any(is_inside(cidr, network) and ports == ("TCP", flow.port, flow.port) for ports in ranges):
            return True
    return False


def _is_dns_flow(group: PodGroup, rule: PolicyRule, table: ZoneTable) -> bool:
    ranges = rule.port_ranges(KUBE_DNS_PORTS)
    dns_only = all(ports.single and ports.first in DNS_PORTS for ports in ranges)
    return dns_only and DNS in table.egress_endpoints(group.workload)


@dataclass(frozen=True)
class _RulePeer:
    """A peer with its rule, its policy and the direction."""

    peer: Peer
    policy: NetworkPolicy
    rule: PolicyRule
    ingress: bool

    def violation(self, group: PodGroup, other: str, reason: str) -> Finding:
        path = f"{other} -> {group.label}" if self.ingress else f"{group.label} -> {other}"
        return violation(f"{path} is allowed, and {reason}", "", self.policy.resource)


def _undeclared_pods(group: PodGroup, rule_peer: _RulePeer, network: Topology, table: ZoneTable) -> Findings:
    """Yield whether a peer can select pods that the stack does not declare, or pods of the platform without a flow."""
    peer = rule_peer.peer
    if peer.cidr is not None or peer.namespace_selector is None:
        return
    if peer.namespace_names is None:
        yield rule_peer.violation(group, ANY_NAMESPACE_PODS, f"the namespace is not selected by {NAMESPACE_NAME_LABEL}")
        return
    if not network.declares(peer):
        # A cluster outside the stack has the platform.
        if _is_platform_flow(group, rule_peer, table):
            return
        unknown = ", ".join(sorted(peer.namespace_names - network.namespaces.keys()))
        yield rule_peer.violation(group, f"pods of namespace {unknown}", "the stack does not declare them")
        return
    selected = network.selected_namespaces(peer)
    shared = sorted(one.name for one in selected if one.hospital == SHARED)
    if shared and not _is_platform_flow(group, rule_peer, table):
        yield rule_peer.violation(group, f"pods of namespace {', '.join(shared)}", "is not in the zone table")


def _is_platform_flow(group: PodGroup, rule_peer: _RulePeer, table: ZoneTable) -> bool:
    """Return whether the zone table has a flow between a workload and pods of the platform, on exactly its port.

    Charts create these pods, so the stack does not declare them: namespace and labels must equal the table's.
    """
    peer, ingress = rule_peer.peer, rule_peer.ingress
    ranges = rule_peer.rule.port_ranges(group.named_ports if ingress else None)
    return any(
        peer.namespace_selector == {"matchLabels": {NAMESPACE_NAME_LABEL: pods.namespace}}
        and peer.pod_selector == {"matchLabels": pods.labels}
        and all(ports == ("TCP", port, port) for ports in ranges)
        for pods, port in table.platform_peers(group.workload, ingress=ingress)
    )


@dataclass(frozen=True, order=True)
class _NetworkPeer:
    cidr: str
    ports: PortRange


def _egress_networks(group: PodGroup, table: ZoneTable, context: StackContext) -> Iterator[Finding]:
    """Yield the networks that pods may connect to and that are not an endpoint of the zone table."""
    peers: list[tuple[_NetworkPeer, Resource]] = [
        (_NetworkPeer(peer.cidr, ports), policy.resource)
        for policy, rule in group.egress
        for peer in rule.peers or ()
        if peer.cidr is not None
        for ports in rule.port_ranges(None)
    ]
    addresses = context.addresses or Addresses({}, {})
    hospital = group.namespace.hospital
    names = {n for n in table.egress_endpoints(group.workload) - {DNS} if (hospital, n) not in addresses.unused}
    endpoints = {name: addresses.of(hospital, name) for name in names}
    # An endpoint whose address the configuration does not have can be one network; more networks are not declared.
    without_address = sum(endpoint is None for endpoint in endpoints.values())
    assumed: set[str] = set()
    for peer, policy in sorted(peers, key=lambda pair: pair[0]):
        if any(
            endpoint and is_inside(peer.cidr, endpoint.network) and peer.ports == ("TCP", endpoint.port, endpoint.port)
            for endpoint in endpoints.values()
        ):
            continue
        assumed.add(peer.cidr)
        if len(assumed) > without_address or not peer.ports.single or is_any_address(peer.cidr):
            path = f"{group.label} -> {peer.cidr}:{peer.ports.label} (egress by {policy.name})"
            yield violation(f"{path} is allowed, and is not an endpoint of the zone table", "", policy)
