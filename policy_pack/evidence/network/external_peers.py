"""What is outside of the zones, by the zone table's names: which server an address is, and whether a flow allows it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from policy_pack.facts.network_policies import HOME_LABEL, Node, Span
from policy_pack.facts.reachability import Flows
from policy_pack.facts.zone_table import DNS, DNS_PORTS, Zones
from policy_pack.stack.external_endpoints import Addresses, Place

EVERYWHERE = "any address"
_DNS_HOME, _DNS_LABELS = "kube-system", {"k8s-app": "kube-dns"}
Peer = Mapping[str, Any] | None
"""A peer of a rule; None where the rule names none."""


@dataclass(frozen=True)
class Outside:
    """Names for what is outside, from the zone table and the stack's configuration."""

    table: Zones
    addresses: Addresses

    def named(self, peer: Peer, span: Span, node: Node, parts: Flows, *, inward: bool) -> tuple[str, bool] | None:
        """Return the name of a peer, and whether a flow allows it; None where it is pods of the stack alone."""
        name = _name(peer, parts)
        if name is None or peer is None:
            return (name, False) if name else None
        single = span[1] == span[2]
        flows = dict(self._flows(node, inward=inward))
        if name == DNS:
            return name, not inward and DNS in flows and single and span[1] in DNS_PORTS
        if "ipBlock" in peer:
            known = self._server(str(peer["ipBlock"].get("cidr")), span, node, flows)
            if known:
                return known, known in flows
        unplaced = [end for end, port in flows.items() if self._fits(end, port, span, node, "ipBlock" in peer)]
        if not (single and unplaced):
            return name, False
        return (unplaced[0] if len(unplaced) == 1 else name), True

    def _flows(self, node: Node, *, inward: bool) -> Iterator[tuple[str, int | None]]:
        """Return what is outside and has a flow with a workload, and the flow's port."""
        for flow in self.table.flows:
            own, other = (flow.target, flow.source) if inward else (flow.source, flow.target)
            if own == node.workload and other in self.table.outside:
                yield other, flow.port

    def _place(self, end: str, node: Node) -> Place | None:
        return self.addresses.of(node.home.hospital, end)

    def _server(self, network: str, span: Span, node: Node, flows: Mapping[str, int | None]) -> str | None:
        """Return the server of the stack's configuration that an address is."""
        hospital = node.home.hospital
        names = {*self.addresses.shared, *(name for owner, name in self.addresses.own if owner == hospital)}
        there = ip_network(network, strict=False)
        for name in sorted(names):
            place = self._place(name, node)
            if place and span == ("TCP", port := flows.get(name) or place.port, port):
                given = ip_network(place.network)
                if there.network_address in given and there.prefixlen >= given.prefixlen:
                    return name
        return None

    def _fits(self, end: str, port: int | None, span: Span, node: Node, is_network: bool) -> bool:
        """Return whether a peer without a known place may be something that a flow is about."""
        absent = is_network and (node.home.hospital, end) in self.addresses.unused
        return end != DNS and self._place(end, node) is None and not absent and port in (None, span[1])


def _name(peer: Peer, parts: Flows) -> str | None:
    if peer is None:
        return EVERYWHERE
    if "ipBlock" in peer:
        return str(peer["ipBlock"].get("cidr"))
    where = peer.get("namespaceSelector")
    labels = (where or {}).get("matchLabels") or {}
    if where is None or labels.get(HOME_LABEL) in parts.homes:
        return None
    if HOME_LABEL not in labels:
        named = {key.rpartition("/")[2] for key in labels if "/" in key}
        return None if {"hospital", "zone"} <= named else "pods of any namespace with such labels"
    pods = (peer.get("podSelector") or {}).get("matchLabels") or {}
    if labels[HOME_LABEL] == _DNS_HOME and pods == _DNS_LABELS:
        return DNS
    return f"pods of namespace {labels[HOME_LABEL]}"
