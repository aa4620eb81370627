"""What enforcement needs to know of pods, namespaces and NetworkPolicies, and what their selectors mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    """A NetworkPolicy.

    Parameters
    ----------
    namespace, name, uid
        Its identity.
    pods
        The pods that it isolates.
    rules
        What it allows by direction; a direction without an entry is not isolated by it.
    problem
        Why it is not enforced as written; empty where it is.
    """

    namespace: str
    name: str
    pods: Selector
    rules: Mapping[Direction, tuple[Rule, ...]]
    uid: str = ""
    problem: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    def closed(self, problem: str) -> "Policy":
        """Return the policy that denies the same pods everything in the same directions."""
        return replace(self, rules=dict.fromkeys(self.rules, ()), problem=problem)


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
    """The cluster at one moment; ``unreadable`` says which of its objects are left out, and why."""

    pods: tuple[Pod, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    policies: tuple[Policy, ...] = ()
    unreadable: tuple[str, ...] = ()


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
