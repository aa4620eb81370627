"""Roles of RBAC: those of the stack, with aggregation, and those that every cluster has."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from policy_pack.facts.network.selectors import matches
from policy_pack.facts.rbac.table import ANY, Rule, all_permissions, builtin_roles, permissions_of
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.text import known_text
from policy_pack.stack.values import UNKNOWN, NotKnownError, View

_GROUP = "k8s:rbac.authorization.k8s.io"
ROLE, CLUSTER_ROLE = "Role", "ClusterRole"
ROLES = (f"{_GROUP}/Role", f"{_GROUP}/ClusterRole")
_ROLE_KINDS = tuple(f"{kind}{form}" for kind in ROLES for form in ("", "Patch", "List"))
_FIELDS = ("apiGroups", "resources", "verbs", "nonResourceURLs")
_DEFAULT_LABEL = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"


@dataclass(frozen=True)
class RoleGrant:
    """What a rule of a role grants.

    Parameters
    ----------
    permission
        The name of the permission.
    names
        The objects that it is limited to; none means all.
    certain
        False where a part of the rule is not known yet, which counts as granted.
    """

    permission: str
    names: tuple[str, ...] = ()
    certain: bool = True


@dataclass(frozen=True)
class RoleKey:
    """The kind, namespace and name by which a binding refers to a role."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True)
class _Declared:
    grants: tuple[RoleGrant, ...]
    labels: dict[str, str]
    selectors: tuple[View, ...]
    source: str


class Roles:
    """The roles of a cluster."""

    def __init__(self, graph: Graph) -> None:
        self._declared: dict[RoleKey, list[_Declared]] = defaultdict(list)
        for resource in graph.of(*_ROLE_KINDS):
            for body in objects(resource):
                self._declared[_key(resource, body)].append(_declared(body, resource.urn))
        self._cache: dict[RoleKey, tuple[RoleGrant, ...] | None] = {}

    def of(self, key: RoleKey) -> tuple[RoleGrant, ...] | None:
        """Return what a role grants; None for a role that neither the stack nor every cluster has."""
        if key not in self._cache:
            self._cache[key] = None  # ends a cycle of aggregation
            self._cache[key] = self._of(key)
        return self._cache[key]

    def extended(self) -> list[str]:
        """Return the default roles that the stack changes, whose default bindings then grant the change."""
        return [name for name in builtin_roles().bindings if RoleKey(CLUSTER_ROLE, "", name) in self._declared]

    def declared(self) -> dict[RoleKey, str]:
        """Return the roles of the stack, with the URN of the resource that declares each."""
        return {key: one[0].source for key, one in self._declared.items()}

    def _of(self, key: RoleKey) -> tuple[RoleGrant, ...] | None:
        own = self._declared.get(key, [])
        builtin = builtin_roles().roles.get(key.name) if key.kind == CLUSTER_ROLE else None
        if builtin is None and not own:
            return None
        grants = [RoleGrant(name) for name in _expanded(builtin or ())]
        grants += [grant for one in own for grant in one.grants]
        if key.kind == CLUSTER_ROLE:
            selectors = [selector for one in own for selector in one.selectors]
            grants += self._aggregated(key.name, selectors)
        return tuple(dict.fromkeys(grants))

    def _aggregated(self, name: str, selectors: list[View]) -> Iterator[RoleGrant]:
        """Return what a ClusterRole has by aggregation; admin, edit and view aggregate by a label of their own."""
        wider = {"admin": ("admin", "edit", "view"), "edit": ("edit", "view")}.get(name, (name,))
        targets = [label for one in wider if (label := builtin_roles().aggregated.get(one))]
        for other, declared in self._declared.items():
            if other.kind != CLUSTER_ROLE or other.name == name:
                continue
            labels = [one.labels for one in declared]
            if any(one.get(target) == "true" for one in labels for target in targets):
                yield from self.of(other) or ()
            else:
                yield from _selected(selectors, labels, self.of(other) or ())
        for other_name, permissions in builtin_roles().roles.items():
            if other_name != name:
                grants = tuple(RoleGrant(permission) for permission in _expanded(permissions))
                yield from _selected(selectors, [_builtin_labels(other_name)], grants)


def _selected(
    selectors: list[View], labels: list[dict[str, str]], grants: tuple[RoleGrant, ...]
) -> Iterator[RoleGrant]:
    """Return the grants of a role that a selector includes; one that is not known yet may include every role."""
    selected = [_selects(selector, one) for selector in selectors for one in labels]
    if True in selected:
        yield from grants
    elif None in selected:
        yield from (replace(grant, certain=False) for grant in grants)


def _builtin_labels(name: str) -> dict[str, str]:
    target = name.removeprefix("system:aggregate-to-")
    return _DEFAULT_LABEL | ({f"{_AGGREGATE}{target}": "true"} if target != name else {})


def _expanded(permissions: tuple[str, ...]) -> tuple[str, ...]:
    return all_permissions() if permissions == ("*",) else permissions


def _selects(selector: View, labels: dict[str, str]) -> bool | None:
    try:
        return matches(selector.whole() or {}, labels)
    except NotKnownError:
        return None
    except (ValueError, KeyError, AttributeError):
        return True  # what cannot be evaluated counts as selected


def objects(resource: Resource) -> list[View]:
    """Return the objects of a resource: itself, or the items of a list."""
    body = View(resource.props)
    return body.at("items").items() if resource.kind.endswith("List") else [body]


def _key(resource: Resource, body: View) -> RoleKey:
    kind = resource.kind.rpartition("/")[2].removesuffix("Patch").removesuffix("List")
    namespace = known_text(body.at("metadata.namespace")) if kind == ROLE else ""
    return RoleKey(kind, namespace, known_text(body.at("metadata.name")) or resource.name)


def _declared(body: View, source: str) -> _Declared:
    raw = body.at("metadata.labels").raw
    labels = {key: value for key, value in raw.items() if isinstance(value, str)} if isinstance(raw, dict) else {}
    grants = [grant for rule in body.at("rules").items() for grant in _of_rule(rule)]
    return _Declared(tuple(grants), labels, tuple(body.at("aggregationRule.clusterRoleSelectors").items()), source)


def _of_rule(view: View) -> list[RoleGrant]:
    names = tuple(item.raw for item in view.at("resourceNames").items() if isinstance(item.raw, str))
    if not all(item.known for item in view.at("resourceNames").items()):
        names = ()
    if not view.known:
        return [RoleGrant(name, (), certain=False) for name in all_permissions()]
    values = [[item.raw for item in view.at(field).items()] for field in _FIELDS]
    certain = not any(value is UNKNOWN for one in values for value in one)
    # A text that is not known yet counts as every one; the empty text is the name of the core API group.
    texts = [tuple(ANY if value is UNKNOWN else str(value) for value in one) for one in values]
    return [RoleGrant(name, names, certain) for name in permissions_of(Rule(*texts))]
