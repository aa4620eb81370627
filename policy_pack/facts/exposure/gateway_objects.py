"""Objects of the Gateway API and of Envoy Gateway by namespace and name, and the references between them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from policy_pack.facts.network.policies import policy_namespace
from policy_pack.facts.network.selectors import matches
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import ROUTE_FILTER, ROUTE_KINDS
from policy_pack.stack.values import NotKnownError

GROUP = "gateway.networking.k8s.io"
ANY_NAMESPACE = "*"
_ANY_NAME = "*"
_REFERENCES = ("targetRef", "targetRefs")


class Target(NamedTuple):
    """An object that a policy or a route refers to; ``section`` is a listener or a rule, empty for the whole object."""

    kind: str
    namespace: str
    name: str
    section: str = ""


@dataclass(frozen=True)
class Attached:
    """A policy that applies to a target; ``foreign`` where it selects the target from another namespace."""

    policy: Resource
    spec: Mapping[str, Any]
    foreign: bool = False

    @property
    def label(self) -> str:
        """The policy for messages."""
        return f"{kind_name(self.policy)} {self.policy.at('metadata.name').text()}"


@dataclass
class Policies:
    """The policies of one kind, by what they refer to.

    Parameters
    ----------
    by_target
        Policies that name their target.
    selecting
        Policies that select their targets by labels, each with its selector and namespace.
    unknown
        Namespaces with a policy whose targets are not known yet, each with the path that is not known; `ANY_NAMESPACE`
        where the namespace is not known either.
    """

    by_target: dict[Target, list[Attached]] = field(default_factory=lambda: defaultdict(list))
    selecting: list[tuple[Attached, Mapping[str, Any], str]] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)

    def of(self, target: Target, labels: Mapping[str, str]) -> list[Attached]:
        """Return the policies of a target.

        Raises
        ------
        NotKnownError
            When the target of a policy is not known yet.
        """
        for namespace in (ANY_NAMESPACE, target.namespace):
            if namespace in self.unknown:
                raise NotKnownError(self.unknown[namespace])
        return [*self.by_target.get(target, ()), *self._selected(target, labels)]

    def _selected(self, target: Target, labels: Mapping[str, str]) -> Iterator[Attached]:
        if target.section:
            return
        for attached, selector, namespace in self.selecting:
            foreign = namespace != target.namespace
            if foreign and (selector.get("namespaces") or {}).get("from", "Same") == "Same":
                continue
            if selector.get("kind") == target.kind and matches(selector, labels):
                yield Attached(attached.policy, attached.spec, foreign)


def answers_itself(resource: Resource) -> bool:
    """Return whether an object is a filter that only makes the gateway answer by itself."""
    return resource.kind == ROUTE_FILTER and set(resource.at("spec").whole() or {}) == {"directResponse"}


def kind_name(resource: Resource) -> str:
    """Return the kind of an object without its group."""
    return resource.kind.rpartition("/")[2]


def object_namespace(resource: Resource, graph: Graph) -> str:
    """Return the namespace of an object; raises `NotKnownError` where it is not known yet."""
    name = policy_namespace(resource, graph)
    if name is None:
        raise NotKnownError("metadata.namespace")
    return name


def label_of(resource: Resource, graph: Graph) -> str:
    """Return an object for messages: kind, namespace and name."""
    return f"{kind_name(resource)} {object_namespace(resource, graph)}/{resource.at('metadata.name').text()}"


def target_of(resource: Resource, graph: Graph, section: str = "") -> Target:
    """Return an object as the target of policies."""
    name = resource.at("metadata.name").text()
    return Target(kind_name(resource), object_namespace(resource, graph), name, section)


def policies(graph: Graph, kind: str) -> Policies:
    """Return the policies of one kind by their targets, computed once."""
    found: Policies = graph.memo(f"policies of {kind}", lambda graph: _policies(graph, kind))
    return found


def _policies(graph: Graph, kind: str) -> Policies:
    found = Policies()
    for policy in graph.of(kind):
        namespace = policy_namespace(policy, graph)
        try:
            references = [item.whole() for name in _REFERENCES for item in policy.at(f"spec.{name}").items()]
            selectors = [item.whole() for item in policy.at("spec.targetSelectors").items()]
            attached = Attached(policy, policy.at("spec").value or {})
        except NotKnownError as unknown:
            found.unknown[namespace or ANY_NAMESPACE] = unknown.path
            continue
        if namespace is None:
            found.unknown[ANY_NAMESPACE] = "metadata.namespace"
            continue
        for reference in references:
            if reference.get("group") == GROUP:
                section = reference.get("sectionName") or ""
                target = Target(str(reference.get("kind")), namespace, str(reference.get("name")), section)
                found.by_target[target].append(attached)
        for selector in selectors:
            if selector.get("group", GROUP) == GROUP:
                found.selecting.append((attached, selector, namespace))
    return found


@dataclass(frozen=True)
class Parent:
    """A reference of a route to a gateway; empty ``section`` and None as ``port`` stand for every listener."""

    route: Resource
    section: str
    port: int | None


def routes_of(gateway: Resource, graph: Graph) -> list[Parent]:
    """Return the references of routes to a gateway.

    Raises
    ------
    NotKnownError
        When a reference of a route is not known yet.
    """
    by_gateway: dict[Target, list[Parent]] = graph.memo("routes by gateway", _routes)
    if _UNKNOWN in by_gateway:
        raise NotKnownError("spec.parentRefs")
    own = by_gateway.get(target_of(gateway, graph), [])
    return [*own, *by_gateway.get(_DEFAULT, ())] if not gateway.at("spec.defaultScope").absent else own


_UNKNOWN = Target("", "", "not known")
_DEFAULT = Target("Gateway", "", "every gateway with a default scope")


def _routes(graph: Graph) -> dict[Target, list[Parent]]:
    found: dict[Target, list[Parent]] = defaultdict(list)
    for route in graph.of(*ROUTE_KINDS):
        try:
            own = object_namespace(route, graph)
            for reference in route.at("spec.parentRefs").whole() or ():
                kind, group = reference.get("kind", "Gateway"), reference.get("group", GROUP)
                if group == GROUP:
                    target = Target(kind, reference.get("namespace") or own, str(reference.get("name")))
                    port = int(reference["port"]) if reference.get("port") else None
                    found[target].append(Parent(route, reference.get("sectionName") or "", port))
            if not route.at("spec.useDefaultGateways").absent:
                found[_DEFAULT].append(Parent(route, "", None))
        except NotKnownError:
            found[_UNKNOWN].append(Parent(route, "", None))
    return found


def named(graph: Graph, kind: str, namespace: str, name: str) -> Resource | None:
    """Return the object of a kind with a namespace (empty for none) and a name.

    Raises
    ------
    NotKnownError
        When there is none, but the name or namespace of an object of the kind is not known yet.
    """
    objects: dict[tuple[str, str], Resource] = graph.memo(f"objects of {kind}", lambda graph: _named(graph, kind))
    found = objects.get((namespace, name))
    if found is None and ((namespace, _ANY_NAME) in objects or (ANY_NAMESPACE, _ANY_NAME) in objects):
        raise NotKnownError("metadata.name")
    return found


def _named(graph: Graph, kind: str) -> dict[tuple[str, str], Resource]:
    found: dict[tuple[str, str], Resource] = {}
    for resource in graph.of(kind):
        namespace, name = policy_namespace(resource, graph), resource.at("metadata.name")
        known = namespace is not None and name.known
        found[ANY_NAMESPACE if namespace is None else namespace, name.text() if known else _ANY_NAME] = resource
    return found
