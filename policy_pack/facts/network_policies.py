"""NetworkPolicies, namespaces and pods as the zone-flow proof needs them, with Kubernetes' own meaning of selectors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from policy_pack.stack.graph import Resource
from policy_pack.stack.values import View

NAME_LABEL = "app.kubernetes.io/name"
HOME_LABEL = "kubernetes.io/metadata.name"
Span = tuple[str, int, int]
"""Protocol, lowest and highest port."""
EVERY: tuple[Span, ...] = (("TCP", 0, 65535), ("UDP", 0, 65535), ("SCTP", 0, 65535))


@dataclass(frozen=True, eq=False)
class Home:
    """A namespace."""

    name: str
    labels: Mapping[str, str]
    hospital: str
    zone: str


@dataclass(eq=False)
class Node:
    """Pods of one workload in one namespace, with the policies that hold for them."""

    home: Home
    labels: Mapping[str, str]
    named: Mapping[str, int]
    resource: Resource | None
    egress: list[tuple["Policy", "Opening"]] = field(default_factory=list)
    ingress: list[tuple["Policy", "Opening"]] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)

    @property
    def workload(self) -> str:
        """The workload's name; empty where the pods carry none."""
        return self.labels.get(NAME_LABEL, "")

    @property
    def title(self) -> str:
        """How messages call it."""
        return f"{self.home.name}/{self.workload or (self.resource.name if self.resource else '?')}"


@dataclass(frozen=True)
class Opening:
    """One rule of a policy: peers (None: everybody) and ports (None: all)."""

    peers: tuple[Mapping[str, Any], ...] | None
    ports: tuple[Mapping[str, Any], ...] | None

    def spans(self, named: Mapping[str, int]) -> tuple[Span, ...]:
        """Return the ports that it opens; names are looked up among the target's container ports."""
        if self.ports is None:
            return EVERY
        found = []
        for port in self.ports:
            protocol, number = str(port.get("protocol") or "TCP"), port.get("port")
            if number is None:
                found.append((protocol, 0, 65535))
                continue
            if isinstance(number, str) and not number.isdigit():
                if number not in named:
                    continue
                number = named[number]
            found.append((protocol, int(number), int(port.get("endPort") or number)))
        return tuple(found)


@dataclass(frozen=True, eq=False)
class Policy:
    """A NetworkPolicy."""

    resource: Resource
    namespace: str
    selector: Mapping[str, Any]
    types: frozenset[str]
    ingress: tuple[Opening, ...]
    egress: tuple[Opening, ...]


def policy(resource: Resource, namespace: str) -> Policy:
    """Return a policy as plain values; raises `NotKnownError` where a part is not known."""
    spec = resource.at("spec").whole() or {}
    ingress = tuple(_opening(rule, "from") for rule in spec.get("ingress") or ())
    egress = tuple(_opening(rule, "to") for rule in spec.get("egress") or ())
    # Without policyTypes a policy is about ingress, and about egress when it has egress rules.
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if egress else [])]
    return Policy(resource, namespace, spec.get("podSelector") or {}, frozenset(types), ingress, egress)


def _opening(rule: Mapping[str, Any], field_name: str) -> Opening:
    peers, ports = rule.get(field_name), rule.get("ports")
    return Opening(tuple(peers) if peers else None, tuple(ports) if ports else None)


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Return whether a label selector is true of labels; an empty one is true of all."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(test, labels) for test in selector.get("matchExpressions") or ())


def _holds(test: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = test["key"], test.get("values") or ()
    match test["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise ValueError(f"no selector operator {other}")


def common(one: tuple[Span, ...], other: tuple[Span, ...]) -> set[Span]:
    """Return the ports that two sets have in common."""
    return {
        (protocol, max(low, least), min(high, most))
        for protocol, low, high in one
        for wanted, least, most in other
        if protocol == wanted and max(low, least) <= min(high, most)
    }


def shown(span: Span) -> str:
    """Return ports for a message."""
    protocol, low, high = span
    number = "any port" if (low, high) == (0, 65535) else str(low) if low == high else f"{low}-{high}"
    return number if protocol == "TCP" else f"{number}/{protocol}"


def ports_of(containers: list[View]) -> dict[str, int]:
    """Return the named ports of containers."""
    ports = [port for container in containers for port in container.at("ports").items()]
    return {port.at("name").text(): int(port.at("containerPort").value) for port in ports if not port.at("name").absent}
