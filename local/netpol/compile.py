"""NetworkPolicy compiler: nftables rules from a snapshot of the cluster.

Every packet, also of an established connection and in both directions, is evaluated by the real endpoints of its
connection as conntrack knows them: who opened it (``ct original ip saddr``), who answers after a Service's address was
translated (``ct reply ip saddr``) and on which port (``ct reply proto-src``). So a changed policy holds for running
connections immediately, replies need no separate rule, and no packet is allowed only because its connection is older.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, collapse_addresses, summarize_address_range

from local.netpol.model import LAST_PORT, Block, Direction, Namespace, Peers, Pod, Policy, Port, Rule, Snapshot

TABLE = "inet hmlops_policy"
EVERYWHERE = IPv4Network("0.0.0.0/0")
_LABEL_LENGTH = 120

# Placeholder prefix of all names of one ruleset, replaced by the ruleset's digest.
_TAG = "~"

_OPENER = "ct original ip saddr"
_ANSWERER = "ct reply ip saddr"
_ANSWERING_PORT = "ct reply proto-src"
_FAR_END = {Direction.INGRESS: _OPENER, Direction.EGRESS: _ANSWERER}
# A connection allowed by egress must also be allowed by ingress at the other end.
_PASSED = {Direction.INGRESS: "accept", Direction.EGRESS: "goto to_pod"}

_BASE = """\
  chain to_pod {{
    fib daddr type local accept
    fib saddr type local accept
    ct reply ip saddr != {pods} accept
    ct reply ip saddr vmap @~ingress
    counter drop
  }}
  chain judge {{
    ct state invalid,untracked counter drop
    ct state related meta l4proto icmp accept
    ct state new tcp flags & (fin|syn|rst|ack) != syn counter drop
    ct original ip saddr . ct reply ip saddr @~self accept
    ct original ip saddr != {pods} goto to_pod
    ct original ip saddr vmap @~egress
    counter drop
  }}
  chain guard {{
    type filter hook prerouting priority raw; policy accept;
    iifname "{interfaces}" meta nfproto ipv6 counter drop
    iifname "{interfaces}" fib saddr . iif oif missing counter drop
  }}
  chain forward {{
    type filter hook forward priority filter - 5; policy accept;
    oifname "{interfaces}" meta nfproto ipv6 counter drop
    ip saddr {pods} goto judge
    ip daddr {pods} goto judge
  }}
  chain input {{
    type filter hook input priority filter - 5; policy accept;
    iifname "lo" accept
    ip saddr != {pods} accept
    ct state invalid,untracked counter drop
    ct direction original goto judge
  }}
  chain output {{
    type filter hook output priority filter - 5; policy accept;
    oifname "lo" accept
    oifname "{interfaces}" meta nfproto ipv6 counter drop
    ip daddr != {pods} accept
    ct direction reply goto judge
  }}
"""
BASE_CHAINS = frozenset({"to_pod", "judge", "guard", "forward", "input", "output"})


@dataclass(frozen=True)
class Network:
    """Pod network: address range, and name prefix of the node's interfaces."""

    pods: IPv4Network
    interfaces: str = "veth*"


@dataclass(frozen=True)
class Objects:
    """Names of a ruleset's objects in the table, except the base chains."""

    maps: tuple[str, ...] = ()
    chains: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ruleset:
    """Compiled nftables ruleset; equal snapshots give equal text."""

    text: str
    owns: Objects
    pods: int
    policies: int


def compile_ruleset(snapshot: Snapshot, network: Network) -> Ruleset:
    """Compile the policies; an empty snapshot has no pods, so all traffic of pods is denied."""
    compiler = _Compiler(_Cluster(snapshot, network.pods))
    for direction in Direction:
        compiler.isolate(direction, snapshot.policies)
    return compiler.finish(network)


class _Cluster:
    """Index of the cluster: pods by address, with cached results of selectors."""

    def __init__(self, snapshot: Snapshot, network: IPv4Network) -> None:
        self.pods: dict[IPv4Address, Pod] = {}
        # An address is assigned to one pod at a time: of two pods with the same address the newer one has it.
        for pod in sorted(snapshot.pods, key=lambda pod: (pod.created, pod.uid)):
            if pod.address and pod.address in network and not pod.finished and not pod.host_network:
                self.pods[pod.address] = pod
        self._labels = {namespace.name: namespace for namespace in snapshot.namespaces}
        self._by_namespace: defaultdict[str, list[Pod]] = defaultdict(list)
        for pod in self.pods.values():
            self._by_namespace[pod.namespace].append(pod)
        self._networks = {address: IPv4Network(address) for address in self.pods}
        self._peers: dict[tuple[Peers, str], frozenset[IPv4Network]] = {}

    def selected(self, policy: Policy) -> list[IPv4Address]:
        """Return the addresses of the pods selected by a policy."""
        pods = self._by_namespace.get(policy.namespace, [])
        return [pod.address for pod in pods if pod.address and policy.pods.matches(pod.labels)]

    def peers(self, peers: Peers, namespace: str) -> frozenset[IPv4Network]:
        """Return the addresses of the pods selected by a peer of a policy in ``namespace``."""
        key = (peers, "" if peers.namespaces else namespace)
        if key not in self._peers:
            self._peers[key] = frozenset(
                self._networks[pod.address]
                for name in self._selected_namespaces(peers, namespace)
                for pod in self._by_namespace.get(name, [])
                if pod.address and peers.pods.matches(pod.labels)
            )
        return self._peers[key]

    def _selected_namespaces(self, peers: Peers, own: str) -> Iterable[str]:
        if peers.namespaces is None:
            return [own]
        # An unknown namespace matches no selector, not even an empty one.
        candidates: Iterable[Namespace] = self._labels.values()
        return [namespace.name for namespace in candidates if peers.namespaces.matches(namespace.labels)]

    def named_port(self, protocol: str, name: str) -> list[str]:
        """Return the pods' addresses with their port numbers for a named port."""
        return [
            f"{address} . {port.number}"
            for address, pod in self.pods.items()
            for port in pod.ports
            if port.name == name and port.protocol == protocol
        ]


@dataclass
class _Compiler:
    cluster: _Cluster
    sets: dict[tuple[str, str], str] = field(default_factory=dict)
    chains: dict[str, str] = field(default_factory=dict)
    maps: dict[str, str] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)

    def isolate(self, direction: Direction, policies: Iterable[Policy]) -> None:
        """Write one chain per policy, one per combination of policies of pods, and the map to the latter."""
        chains_of: defaultdict[IPv4Address, list[str]] = defaultdict(list)
        for policy in sorted(policies, key=lambda policy: (policy.namespace, policy.name)):
            selected = self.cluster.selected(policy) if direction in policy.rules else []
            if not selected:
                continue
            self.used.add((policy.namespace, policy.name))
            chain = f"{_TAG}{direction.value.lower()}_policy_{len(self.chains)}"
            lines = [line for rule in policy.rules[direction] for line in self._rule(rule, policy.namespace, direction)]
            self.chains[chain] = "\n    ".join([f'comment "{_label(policy)}"', *lines])
            for address in selected:
                chains_of[address].append(chain)
        verdicts: dict[IPv4Address, str] = {}
        combinations: dict[tuple[str, ...], str] = {}
        for address in self.cluster.pods:
            combination = tuple(chains_of[address])
            if combination and combination not in combinations:
                chain = f"{_TAG}{direction.value.lower()}_pods_{len(combinations)}"
                self.chains[chain] = "\n    ".join([*(f"jump {policy}" for policy in combination), "counter drop"])
                combinations[combination] = chain
            verdicts[address] = f"goto {combinations[combination]}" if combination else _PASSED[direction]
        elements = [f"{address} : {verdict}" for address, verdict in sorted(verdicts.items())]
        self.maps[f"{_TAG}{direction.value.lower()}"] = _declare("type ipv4_addr : verdict", elements)

    def _rule(self, rule: Rule, namespace: str, direction: Direction) -> list[str]:
        networks = [EVERYWHERE] if rule.peers is None else self._networks(rule.peers, namespace)
        if not networks:
            return []
        peers = ""
        if networks != [EVERYWHERE]:
            peers = f"{_FAR_END[direction]} @{self._set('type ipv4_addr; flags interval', map(str, networks))} "
        ports = [""] if rule.ports is None else self._ports(rule.ports)
        return [f"{port}{peers}{_PASSED[direction]}" for port in ports]

    def _networks(self, peers: Iterable[Peers | Block], namespace: str) -> list[IPv4Network]:
        networks: set[IPv4Network] = set()
        for peer in peers:
            if isinstance(peer, Block):
                networks.update(_without(peer.network, peer.excluded))
            else:
                networks |= self.cluster.peers(peer, namespace)
        return list(collapse_addresses(networks))

    def _ports(self, ports: Iterable[Port]) -> list[str]:
        matches = []
        ranges: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for port in dict.fromkeys(ports):
            if port.name is None:
                ranges[port.protocol].append((port.first, port.last))
            elif numbers := self.cluster.named_port(port.protocol, port.name):
                name = self._set("type ipv4_addr . inet_service", sorted(set(numbers)))
                matches.append(f"meta l4proto {port.protocol.lower()} {_ANSWERER} . {_ANSWERING_PORT} @{name} ")
        for protocol, some in ranges.items():
            merged = _merged(some)
            match = f"meta l4proto {protocol.lower()} "
            if merged != [(0, LAST_PORT)]:
                match += f"{_ANSWERING_PORT} {{ {', '.join(f'{first}-{last}' for first, last in merged)} }} "
            matches.append(match)
        return matches

    def _set(self, kind: str, elements: Iterable[str]) -> str:
        """Return the name of a set, shared by all rules with the same elements."""
        body = _declare(kind, list(elements))
        return self.sets.setdefault((kind, body), f"{_TAG}set_{len(self.sets)}")

    def finish(self, network: Network) -> Ruleset:
        """Assemble the table."""
        itself = _declare("type ipv4_addr . ipv4_addr", [f"{pod} . {pod}" for pod in sorted(self.cluster.pods)])
        sets = {name: body for (_, body), name in self.sets.items()} | {f"{_TAG}self": itself}
        # Chains of policies come before the chains that jump to them, and all chains before the maps.
        pieces = [
            *_blocks("set", sets),
            *_blocks("chain", self.chains),
            *_blocks("map", self.maps),
        ]
        base = _BASE.format(pods=network.pods, interfaces=network.interfaces)
        text = f"table {TABLE} {{\n{''.join(pieces)}{base}}}\n"
        tag = f"r{hashlib.sha256(text.encode()).hexdigest()[:10]}_"
        names = Objects(*(tuple(name.replace(_TAG, tag) for name in kind) for kind in (self.maps, self.chains, sets)))
        return Ruleset(text.replace(_TAG, tag), names, len(self.cluster.pods), len(self.used))


def _blocks(kind: str, bodies: Mapping[str, str]) -> list[str]:
    return [f"  {kind} {name} {{\n    {body}\n  }}\n" for name, body in bodies.items()]


def _declare(kind: str, elements: Sequence[str]) -> str:
    return f"{kind};" + (f"\n    elements = {{ {', '.join(elements)} }}" if elements else "")


def _label(policy: Policy) -> str:
    """Return the policy's name for a chain's comment, which nftables limits to 128 characters."""
    full = "/".join(policy.key)
    # Valid names have no other characters; others could end the comment.
    plain = re.sub(r"[^a-z0-9./-]", "-", full)
    if plain == full and len(full) <= _LABEL_LENGTH:
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:16]
    return f"{plain[: _LABEL_LENGTH - len(digest) - 1]}-{digest}"


def _without(network: IPv4Network, excluded: Iterable[IPv4Network]) -> Iterable[IPv4Network]:
    """Return the networks that cover a network except for some parts."""
    first, last = int(network.network_address), int(network.broadcast_address)
    for hole in sorted(collapse_addresses(excluded)):
        if not hole.overlaps(network):
            continue
        if first < int(hole.network_address):
            yield from _covering(first, int(hole.network_address) - 1)
        first = int(hole.broadcast_address) + 1
    if first <= last:
        yield from _covering(first, last)


def _covering(first: int, last: int) -> Iterable[IPv4Network]:
    return summarize_address_range(IPv4Address(first), IPv4Address(last))


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge overlapping and adjacent ranges."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
