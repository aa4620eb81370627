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
# The roles edit and view are themselves part of wider ones.
_AGGREGATED_INTO = {"edit": "admin", "view": "edit"}
_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"


@dataclass(frozen=True)
class RoleGrant:
    """Grant of one rule of a role.

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
            self._cache[key] = self._of(key)
        return self._cache[key]

    def extended(self) -> list[str]:
        """Return the default roles that the stack changes, whose default bindings then grant the change."""
        return [name for name in builtin_roles().bindings if RoleKey(CLUSTER_ROLE, "", name) in self._declared]

    def declared(self) -> dict[RoleKey, str]:
        """Return the roles of the stack, with the URN of the resource that declares each."""
        return {key: one[0].source for key, one in self._declared.items()}

    def _of(self, key: RoleKey) -> tuple[RoleGrant, ...] | None:
        if key not in self._declared and (key.kind != CLUSTER_ROLE or key.name not in builtin_roles().roles):
            return None
        if key.kind != CLUSTER_ROLE:
            return tuple(dict.fromkeys(self._own(key)))
        # The roles that it includes by aggregation, through any number of steps.
        certain, pending = {key.name: True}, [key.name]
        while pending:
            name = pending.pop()
            for other, selected in self._included(name):
                if not certain.get(other) and (other not in certain or (selected and certain[name])):
                    certain[other] = selected and certain[name]
                    pending.append(other)
        grants = [
            grant if is_certain else replace(grant, certain=False)
            for name, is_certain in certain.items()
            for grant in self._own(RoleKey(CLUSTER_ROLE, "", name))
        ]
        return tuple(dict.fromkeys(grants))

    def _own(self, key: RoleKey) -> Iterator[RoleGrant]:
        builtin = builtin_roles().roles.get(key.name, ()) if key.kind == CLUSTER_ROLE else ()
        yield from (RoleGrant(name) for name in _expanded(builtin))
        for one in self._declared.get(key, ()):
            yield from one.grants

    def _included(self, name: str) -> Iterator[tuple[str, bool]]:
        """Return the ClusterRoles that one includes, and whether that is certain."""
        own = self._declared.get(RoleKey(CLUSTER_ROLE, "", name), [])
        selectors = [selector for one in own for selector in one.selectors]
        label = builtin_roles().aggregated.get(name)
        if not selectors and not label:
            return
        labels = [(one, _builtin_labels(one)) for one in builtin_roles().roles]
        labels += [(key.name, d.labels) for key, one in self._declared.items() if key.kind == CLUSTER_ROLE for d in one]
        for other, values in labels:
            answers = [_selects(selector, values) for selector in selectors]
            if True in answers or (label and values.get(label) == "true"):
                yield other, True
            elif None in answers:
                yield other, False


def _builtin_labels(name: str) -> dict[str, str]:
    target = _AGGREGATED_INTO.get(name) or name.removeprefix("system:aggregate-to-")
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
