"""Model of pods, namespaces and NetworkPolicies, with the semantics of label selectors."""

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
NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"


class Direction(Enum):
    """Direction of traffic: ingress or egress."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


@dataclass(frozen=True)
class Requirement:
    """One entry of ``matchExpressions``."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Labels) -> bool:
        """Return whether the labels meet the requirement; False for an unknown operator."""
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
    """Label selector: all requirements must be met; without any, it matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Return whether the labels meet all requirements."""
        return all(requirement.matches(labels) for requirement in self.requirements)


@dataclass(frozen=True)
class Block:
    """``ipBlock``: a CIDR range with exceptions."""

    network: IPv4Network
    excluded: tuple[IPv4Network, ...] = ()


@dataclass(frozen=True)
class Peers:
    """Pod peers: selectors for namespaces (``None``: the policy's own namespace) and pods."""

    namespaces: Selector | None
    pods: Selector


@dataclass(frozen=True)
class Port:
    """Port of a rule: a range of numbers, or the name of a container port of the target pods."""

    protocol: str
    first: int = 0
    last: int = LAST_PORT
    name: str | None = None


@dataclass(frozen=True)
class Rule:
    """Rule of a policy: allowed peers and ports; ``None`` means all peers or all ports."""

    peers: tuple[Peers | Block, ...] | None = None
    ports: tuple[Port, ...] | None = None


@dataclass(frozen=True)
class Policy:
    """NetworkPolicy.

    Parameters
    ----------
    namespace, name, uid
        Its identity.
    pods
        The pods that it isolates.
    rules
        What it allows by direction; a direction without an entry is not isolated by it.
    problem
        Reason why it is not enforced as written; empty if it is.
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
        """Return a policy that denies all traffic of the same pods in the same directions."""
        return replace(self, rules=dict.fromkeys(self.rules, ()), problem=problem)


@dataclass(frozen=True)
class NamedPort:
    """Named port of a container."""

    name: str
    protocol: str
    number: int


@dataclass(frozen=True)
class Pod:
    """Pod, with the fields relevant for enforcement."""

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
    """Namespace with its labels."""

    name: str
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """State of the cluster at one time; ``unreadable`` has the objects that are left out, with the reason."""

    pods: tuple[Pod, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    policies: tuple[Policy, ...] = ()
    unreadable: tuple[str, ...] = ()


def parse_pod(source: Json) -> Pod:
    """Read a pod; ports of sidecars (restartable init containers) count like those of containers."""
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
    name = source["metadata"]["name"]
    # As the API server sets it: no other value of this label counts.
    return Namespace(name, {**(source["metadata"].get("labels") or {}), NAMESPACE_NAME_LABEL: name})
