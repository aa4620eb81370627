"""What enforcement needs to know of pods, namespaces and NetworkPolicies, and what their selectors mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from typing import Any

Labels = Mapping[str, str]
Json = Mapping[str, Any]

PROTOCOLS = ("TCP", "UDP", "SCTP")
FINISHED = frozenset({"Succeeded", "Failed"})
LAST_PORT = 65535


class Direction(Enum):
    """The two sides of a connection that a policy can isolate."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


@dataclass(frozen=True)
class Requirement:
    """One entry of ``matchExpressions``."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Labels) -> bool:
        """Tell whether the labels meet the requirement; an unknown operator is never met."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
            case _:
                return False


@dataclass(frozen=True)
class Selector:
    """A label selector: all requirements at once, and everything when there is none."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Tell whether the labels meet every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)


@dataclass(frozen=True)
class Block:
    """An ``ipBlock``: a range of addresses without its exceptions."""

    network: IPv4Network
    excluded: tuple[IPv4Network, ...] = ()


@dataclass(frozen=True)
class Peers:
    """Pods at the other end: by their namespace's labels (``None``: the policy's own) and their own."""

    namespaces: Selector | None
    pods: Selector


@dataclass(frozen=True)
class Port:
    """A port of a rule: a range of numbers, or the name that each target pod gives to one of its own."""

    protocol: str
    first: int = 0
    last: int = LAST_PORT
    name: str | None = None


@dataclass(frozen=True)
class Rule:
    """What one rule lets through; ``None`` stands for every peer or every port."""

    peers: tuple[Peers | Block, ...] | None = None
    ports: tuple[Port, ...] | None = None


@dataclass(frozen=True)
class Policy:
    """A NetworkPolicy; a direction without an entry in ``rules`` is not isolated by it."""

    namespace: str
    name: str
    pods: Selector
    rules: Mapping[Direction, tuple[Rule, ...]]


@dataclass(frozen=True)
class NamedPort:
    """A port that a container declares under a name."""

    name: str
    protocol: str
    number: int


@dataclass(frozen=True)
class Pod:
    """A pod, as far as its packets are concerned."""

    uid: str
    namespace: str
    name: str
    labels: Labels = field(default_factory=dict)
    address: IPv4Address | None = None
    ports: tuple[NamedPort, ...] = ()
    created: str = ""
    finished: bool = False
    host_network: bool = False


@dataclass(frozen=True)
class Namespace:
    """A namespace's name and labels."""

    name: str
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """The cluster at one moment."""

    pods: tuple[Pod, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    policies: tuple[Policy, ...] = ()


def parse_selector(source: Json | None) -> Selector:
    """Read a label selector as the API writes it."""
    source = source or {}
    equal = [Requirement(key, "In", frozenset({value})) for key, value in (source.get("matchLabels") or {}).items()]
    expressions = [
        Requirement(entry["key"], entry["operator"], frozenset(entry.get("values") or ()))
        for entry in source.get("matchExpressions") or ()
    ]
    return Selector((*equal, *expressions))


def parse_pod(source: Json) -> Pod:
    """Read a pod; sidecars (init containers that keep running) have ports like containers."""
    meta, spec, status = source["metadata"], source.get("spec") or {}, source.get("status") or {}
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    ports = [
        NamedPort(port["name"], port.get("protocol") or "TCP", port["containerPort"])
        for container in (*(spec.get("containers") or ()), *sidecars)
        for port in container.get("ports") or ()
        if port.get("name")
    ]
    return Pod(
        uid=meta["uid"],
        namespace=meta["namespace"],
        name=meta["name"],
        labels=meta.get("labels") or {},
        address=_pod_address(status),
        ports=tuple(ports),
        created=meta.get("creationTimestamp") or "",
        finished=status.get("phase") in FINISHED,
        host_network=bool(spec.get("hostNetwork")),
    )


def _pod_address(status: Json) -> IPv4Address | None:
    listed = [entry.get("ip") for entry in status.get("podIPs") or ()]
    for text in (*listed, status.get("podIP")):
        if text and ":" not in text:
            return IPv4Address(text)
    return None


def parse_namespace(source: Json) -> Namespace:
    """Read a namespace."""
    return Namespace(source["metadata"]["name"], source["metadata"].get("labels") or {})


def parse_policy(source: Json) -> Policy:
    """Read a NetworkPolicy, with the API's defaults for ``policyTypes``."""
    meta, spec = source["metadata"], source.get("spec") or {}
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    peers = {Direction.INGRESS: "from", Direction.EGRESS: "to"}
    rules = {
        direction: tuple(_parse_rule(rule, peers[direction]) for rule in spec.get(direction.value.lower()) or ())
        for direction in Direction
        if direction.value in types
    }
    return Policy(meta["namespace"], meta["name"], parse_selector(spec.get("podSelector")), rules)


def _parse_rule(source: Json, peers: str) -> Rule:
    return Rule(
        peers=tuple(filter(None, map(_parse_peer, source[peers]))) if source.get(peers) else None,
        ports=tuple(map(_parse_port, source["ports"])) if source.get("ports") else None,
    )


def _parse_peer(source: Json) -> Peers | Block | None:
    block = source.get("ipBlock")
    if block is None:
        namespaces = source.get("namespaceSelector")
        return Peers(
            None if namespaces is None else parse_selector(namespaces), parse_selector(source.get("podSelector"))
        )
    # Pods have IPv4 addresses only: a block of IPv6 addresses names nobody.
    if ":" in block["cidr"]:
        return None
    excluded = [IPv4Network(cidr, strict=False) for cidr in block.get("except") or () if ":" not in cidr]
    return Block(IPv4Network(block["cidr"], strict=False), tuple(excluded))


def _parse_port(source: Json) -> Port:
    protocol, port = source.get("protocol") or "TCP", source.get("port")
    if port is None:
        return Port(protocol)
    if isinstance(port, str):
        return Port(protocol, name=port)
    return Port(protocol, port, source.get("endPort") or port)
