"""The network map: every open way between pods and to servers outside, as the zone-flow proof has them."""

from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.controls.network.zone_flows import allowed, edges
from policy_pack.evidence.network.external_peers import EVERYWHERE, Outside
from policy_pack.facts.network_policies import Node, shown
from policy_pack.facts.reachability import Flows, flows
from policy_pack.facts.zone_table import zones
from policy_pack.stack.checks import About
from policy_pack.stack.external_endpoints import Addresses


@dataclass(frozen=True, order=True)
class Pod:
    """Pods of one workload: their namespace, hospital and zone, and whether the stack declares them already."""

    title: str
    namespace: str
    workload: str
    hospital: str
    zone: str
    declared: bool


@dataclass(frozen=True, order=True)
class Way:
    """An open way.

    Parameters
    ----------
    source, target
        Titles of pods, or names of servers outside.
    ports
        The ports that are open.
    allowed
        Whether the zone table has a flow for it.
    policies
        The policies that open it.
    outside
        Whether an end is no pod of this stack.
    """

    source: str
    target: str
    ports: str
    allowed: bool
    policies: tuple[str, ...]
    outside: bool


@dataclass(frozen=True)
class Map:
    """Pods by name, and the ways between them and to the outside."""

    pods: tuple[Pod, ...]
    ways: tuple[Way, ...]
    closed: tuple[str, ...]

    def across(self) -> list[Way]:
        """Return the ways from one hospital to another."""
        owner = {pod.title: pod.hospital for pod in self.pods}
        return [way for way in self.ways if not way.outside and owner[way.source] != owner[way.target]]


def network(about: About) -> Map:
    """Return the map of a stack."""
    table = zones()
    parts: Flows = about.graph.memo("flows", lambda _: flows(about, table))
    pods = {node.title: _pod(node) for node in sorted(parts.nodes, key=lambda node: node.resource is not None)}
    inner = {
        Way(
            edge.source.title,
            edge.target.title,
            shown(edge.span),
            allowed(edge, table),
            tuple(sorted({policy.resource.name for policy in (edge.out, edge.into) if policy})),
            outside=False,
        )
        for edge in edges(parts)
    }
    outside = Outside(table, about.addresses or Addresses({}, {}))
    outer = {way for node in parts.nodes for way in _beyond(node, parts, outside)}
    closed = {node.title for node in parts.nodes if {"Ingress", "Egress"} <= node.closed}
    return Map(tuple(sorted(pods.values())), tuple(sorted(inner | outer)), tuple(sorted(closed)))


def _pod(node: Node) -> Pod:
    home = node.home
    return Pod(node.title, home.name, node.workload, home.hospital, home.zone, node.resource is not None)


def _beyond(node: Node, parts: Flows, outside: Outside) -> Iterator[Way]:
    """Return the ways between pods and what is outside, both directions."""
    for inward, direction, rules in ((False, "Egress", node.egress), (True, "Ingress", node.ingress)):
        if direction not in node.closed:
            yield _way(node, EVERYWHERE, "any port", (), inward=inward)
        for policy, rule in rules:
            for peer in (None,) if rule.peers is None else rule.peers:
                for span in rule.spans(node.named if inward else {}):
                    found = outside.named(peer, span, node, parts, inward=inward)
                    if found:
                        name, fine = found
                        yield _way(node, name, shown(span), (policy.resource.name,), inward=inward, fine=fine)


def _way(node: Node, other: str, ports: str, policies: tuple[str, ...], *, inward: bool, fine: bool = False) -> Way:
    source, target = (other, node.title) if inward else (node.title, other)
    return Way(source, target, ports, fine, policies, outside=True)
