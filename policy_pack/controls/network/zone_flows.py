"""The zone-flow proof: every edge that the stack opens, held against the zone table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from policy_pack.controls.rules import on_stack
from policy_pack.facts.network_policies import EVERY, HOME_LABEL, Node, Opening, Policy, Span, common, selects, shown
from policy_pack.facts.reachability import Flows, flows
from policy_pack.facts.zone_table import DNS, DNS_PORTS, SHARED, Zones, zones
from policy_pack.stack.checks import About, Finding, Findings, fault, later
from policy_pack.stack.external_endpoints import Addresses
from policy_pack.stack.graph import Resource

_DNS_HOME, _DNS_LABELS = "kube-system", {"k8s-app": "kube-dns"}


@dataclass(frozen=True, eq=False)
class Edge:
    """An open way from pods to pods on some ports, and the policies that open its ends."""

    source: Node
    target: Node
    span: Span
    out: Policy
    into: Policy | None

    @property
    def path(self) -> str:
        """The way, for a message."""
        ends = [
            f"out by {self.out.resource.name}",
            f"in by {self.into.resource.name}" if self.into else "in by no policy",
        ]
        return f"{self.source.title} -> {self.target.title}:{shown(self.span)} ({', '.join(ends)})"


@on_stack("SEG-02")
def only_declared_flows_are_open(about: About) -> Findings:
    """Refuse every open edge that the zone table does not allow."""
    table = zones()
    parts = about.graph.memo("flows", lambda _: flows(about, table))
    yield from parts.findings
    for node in parts.nodes:
        yield from _placed(node, table)
        yield from _closed(node, parts)
        yield from _outside(node, parts, table, about)
    for edge in edges(parts):
        if not allowed(edge, table):
            yield fault(f"{edge.path} is open, and the zone table does not allow it", "", edge.out.resource)


def edges(parts: Flows) -> Iterator[Edge]:
    """Return every open edge between pods: out of the source and into the target."""
    for source in parts.nodes:
        for out, rule in source.egress:
            for target in _targets(rule, out, parts):
                spans = rule.spans(target.named)
                for span, into in _entries(source, target, spans):
                    yield Edge(source, target, span, out, into)


def allowed(edge: Edge, table: Zones) -> bool:
    """Return whether the table has a flow for an edge, within one hospital and on exactly its port."""
    ports = table.ports(edge.source.workload, edge.target.workload)
    protocol, low, high = edge.span
    return edge.source.home.hospital == edge.target.home.hospital and protocol == "TCP" and low == high and low in ports


def _targets(rule: Opening, out: Policy, parts: Flows) -> Iterator[Node]:
    if rule.peers is None:
        yield from parts.nodes
        return
    for peer in rule.peers:
        if "ipBlock" not in peer:
            yield from _selected(peer, out, parts)


def _selected(peer: Mapping[str, Any], policy: Policy, parts: Flows) -> Iterator[Node]:
    """Return the pods that a peer selects; without a namespace selector these are the policy's own neighbours."""
    where = peer.get("namespaceSelector")
    homes = [policy.namespace] if where is None else [home.name for home in parts.matching(where)]
    pods = peer.get("podSelector") or {}
    for home in homes:
        yield from (node for node in parts.by_home.get(home, ()) if selects(pods, node.labels))


def _entries(source: Node, target: Node, spans: tuple[Span, ...]) -> Iterator[tuple[Span, Policy | None]]:
    if "Ingress" not in target.closed:
        yield from ((span, None) for span in common(spans, EVERY))
        return
    for into, rule in target.ingress:
        if rule.peers is None or any(_admits(peer, source, into) for peer in rule.peers):
            yield from ((span, into) for span in common(spans, rule.spans(target.named)))


def _admits(peer: Mapping[str, Any], source: Node, policy: Policy) -> bool:
    if "ipBlock" in peer:
        return False
    where = peer.get("namespaceSelector")
    home = source.home.name == policy.namespace if where is None else selects(where, source.home.labels)
    return home and selects(peer.get("podSelector") or {}, source.labels)


# --- each pod by itself --------------------------------------------------------------------------
def _placed(node: Node, table: Zones) -> Findings:
    """Yield whether a pod is a workload of the table, in its zone."""
    home = table.homes.get(node.workload)
    if home is None:
        yield fault(f"{node.title} is no workload of the zone table", "", node.resource)
    elif home != node.home.zone:
        place = node.home.zone or "no zone"
        yield fault(f"{node.title} runs in {place}, and the zone table has it in {home}", "", node.resource)


def _closed(node: Node, parts: Flows) -> Findings:
    """Yield whether some policy closes a pod each way; where a policy is not known yet, that is not known either."""
    for direction in ("Egress", "Ingress"):
        if direction in node.closed:
            continue
        if {"*", node.home.name} & parts.unclear:
            yield later(f"{direction} policies of {node.home.name}", node.resource)
        else:
            yield fault(f"{_anything(node, direction)} is open: no policy closes it", "", node.resource)


def _anything(node: Node, direction: str) -> str:
    return f"{node.title} -> anything" if direction == "Egress" else f"anything -> {node.title}"


def _outside(node: Node, parts: Flows, table: Zones, about: About) -> Findings:
    for direction, rules in (("Egress", node.egress), ("Ingress", node.ingress)):
        for policy, rule in rules:
            if rule.peers is None:
                yield fault(f"{_anything(node, direction)} is open: a rule names no peer", "", policy.resource)
    for policy, rule in node.ingress:
        for peer in rule.peers or ():
            yield from _stranger(node, _Peer(peer, policy, rule, inward=True), parts, table)
            if "ipBlock" in peer and not _entrance(node, str(peer["ipBlock"].get("cidr")), rule, table, about):
                path = f"{peer['ipBlock'].get('cidr')} -> {node.title}"
                yield fault(f"{path} is open, and the zone table does not let that network in", "", policy.resource)
    for policy, rule in node.egress:
        for peer in rule.peers or ():
            if not (_asks_dns(peer) and _dns(node, rule, table)):
                yield from _stranger(node, _Peer(peer, policy, rule, inward=False), parts, table)
    yield from _networks(node, table, about)


def _entrance(node: Node, network: str, rule: Opening, table: Zones, about: About) -> bool:
    """Return whether the table lets a network call a workload, on exactly the port of the flow.

    Where the configuration does not tell the caller's address, any network but the whole internet can be it.
    """
    spans = rule.spans(node.named)
    for flow in table.callers(node.workload):
        place = about.addresses.of(node.home.hospital, flow.source) if about.addresses else None
        known = place.network if place else "" if about.addresses else network
        if flow.port is None or not known or ip_network(known, strict=False).prefixlen == 0:
            continue
        if all(_within(network, span, known, flow.port) for span in spans):
            return True
    return False


def _asks_dns(peer: Mapping[str, Any]) -> bool:
    home = ((peer.get("namespaceSelector") or {}).get("matchLabels") or {}).get(HOME_LABEL)
    return home == _DNS_HOME and (peer.get("podSelector") or {}).get("matchLabels") == _DNS_LABELS


def _dns(node: Node, rule: Opening, table: Zones) -> bool:
    ports = all(low == high and low in DNS_PORTS for _, low, high in rule.spans({}))
    return ports and DNS in table.servers(node.workload)


@dataclass(frozen=True)
class _Peer:
    """One peer of a rule, and which way the rule opens."""

    written: Mapping[str, Any]
    policy: Policy
    rule: Opening
    inward: bool

    def fault(self, node: Node, other: str, why: str) -> Finding:
        path = f"{other} -> {node.title}" if self.inward else f"{node.title} -> {other}"
        return fault(f"{path} is open, and {why}", "", self.policy.resource)


def _stranger(node: Node, peer: _Peer, parts: Flows, table: Zones) -> Findings:
    """Yield that a peer may be pods which the stack does not declare, or the platform's against the table."""
    where = peer.written.get("namespaceSelector")
    if "ipBlock" in peer.written or where is None:
        return
    there = (where.get("matchLabels") or {}).get(HOME_LABEL)
    if not _pinned(where, parts):
        other = f"pods of namespace {there}" if there else "pods of any namespace with such labels"
        yield peer.fault(node, other, "the stack does not declare them")
        return
    shared = sorted(home.name for home in parts.matching(where) if home.hospital == SHARED)
    if shared and not _agreed(node, peer, table):
        yield peer.fault(node, f"pods of namespace {', '.join(shared)}", "the zone table does not allow it")


def _agreed(node: Node, peer: _Peer, table: Zones) -> bool:
    """Return whether the table has a flow between a workload and pods of the platform, on exactly its port.

    Those pods come with charts, so the stack does not declare them: their namespace and their labels must be the
    table's to the letter.
    """
    homes, pods = peer.written.get("namespaceSelector"), peer.written.get("podSelector")
    spans = peer.rule.spans(node.named if peer.inward else {})
    return any(
        homes == {"matchLabels": {HOME_LABEL: known.namespace}}
        and pods == {"matchLabels": known.labels}
        and all(span == ("TCP", port, port) for span in spans)
        for known, port in table.platform(node.workload, inward=peer.inward)
    )


def _pinned(where: Mapping[str, Any], parts: Flows) -> bool:
    """Return whether a namespace selector can only mean namespaces of this stack: by name, or by hospital and zone."""
    labels = where.get("matchLabels") or {}
    if HOME_LABEL in labels:
        return labels[HOME_LABEL] in parts.homes
    named = {key.rpartition("/")[2] for key in labels if key.rpartition("/")[0]}
    return {"hospital", "zone"} <= named


@dataclass(frozen=True)
class _Way:
    network: str
    span: Span
    policy: Resource


def _networks(node: Node, table: Zones, about: About) -> Iterator[Finding]:
    """Yield the networks that a pod reaches and that are no server which the table lets it call."""
    ways = [
        _Way(str(peer["ipBlock"].get("cidr")), span, policy.resource)
        for policy, rule in node.egress
        for peer in rule.peers or ()
        if "ipBlock" in peer
        for span in rule.spans({})
    ]
    servers = table.servers(node.workload) - {DNS}
    known = about.addresses or Addresses({}, {})
    servers = {name for name in servers if (node.home.hospital, name) not in known.unused}
    places = {name: known.of(node.home.hospital, name) for name in servers}
    # A server whose address the configuration does not tell can be one network; more are more than the table allows.
    free = sum(place is None for place in places.values())
    taken: set[str] = set()
    for way in sorted(ways, key=lambda way: (way.network, way.span)):
        if any(place and _within(way.network, way.span, place.network, place.port) for place in places.values()):
            continue
        taken.add(way.network)
        wide = way.span[1] != way.span[2] or ip_network(way.network, strict=False).prefixlen == 0
        if len(taken) > free or wide:
            path = f"{node.title} -> {way.network}:{shown(way.span)} (out by {way.policy.name})"
            yield fault(f"{path} is open, and is no server that the zone table lets it call", "", way.policy)


def _within(network: str, span: Span, known: str, port: int) -> bool:
    there, given = ip_network(network, strict=False), ip_network(known)
    inside = there.network_address in given and there.prefixlen >= given.prefixlen
    return inside and span == ("TCP", port, port)
