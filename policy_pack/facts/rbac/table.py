"""The table of RBAC permissions (``rbac.yaml``), and rules as Kubernetes matches them."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from itertools import product
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables

TABLE = Path(__file__).with_name("rbac.yaml")
ROLES_TABLE = Path(__file__).with_name("builtin_roles.yaml")
ANY = "*"
_READS = frozenset(("get", "list", "watch"))
READ_OTHER, CHANGE_OTHER, READ_PATHS = "read other objects", "change other objects", "read from the API server"
_STRICT = ConfigDict(extra="forbid")


class Acts(StrEnum):
    """The principals that a permission lets its holder act as."""

    NOBODY = ""
    NAMED = "named"
    NAMESPACE = "namespace"
    CLUSTER = "cluster"
    EVERYTHING = "everything"


@validated(frozen=True, config=_STRICT)
class Rule:
    """An RBAC rule: verbs on resources of API groups, or on paths of the API server."""

    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def grants(self, wanted: "Rule") -> bool:
        """Return whether the rule grants something of another rule."""
        return (
            _overlap(self.groups, wanted.groups)
            and any(_same_resource(own, other) for own in self.resources for other in wanted.resources)
            and any(_same_verb(own, other) for own in self.verbs for other in wanted.verbs)
        )


@validated(frozen=True, config=_STRICT)
class Permission:
    """A permission that leads to data; `rbac.yaml` describes the fields."""

    place: str
    verb: str
    rules: tuple[Rule, ...]
    acts: Acts = Acts.NOBODY
    cluster: bool = False


@validated(frozen=True, config=_STRICT)
class RbacTable:
    """The table."""

    permissions: Mapping[str, Permission]
    harmless: tuple[Rule, ...]
    harmless_paths: tuple[str, ...]
    eks: Mapping[str, str]


@validated(frozen=True, config=_STRICT)
class BuiltinRoles:
    """The roles that every cluster has.

    Parameters
    ----------
    roles
        Their permissions; ``*`` is all.
    aggregated
        The label of the roles that each aggregated one includes.
    bindings
        The groups that are bound to them in every cluster.
    """

    roles: Mapping[str, tuple[str, ...]]
    aggregated: Mapping[str, str]
    bindings: Mapping[str, tuple[str, ...]]


_OTHER = {
    READ_OTHER: Permission("kube-objects", "read", ()),
    CHANGE_OTHER: Permission("kube-rules", "administer", (), Acts.NAMESPACE),
    READ_PATHS: Permission("kube-objects", "read", (), Acts.NOBODY, cluster=True),
}


@cache
def table() -> RbacTable:
    """Return the permissions that lead to data."""
    return tables.read(TypeAdapter(RbacTable).validate_python, TABLE)


@cache
def builtin_roles() -> BuiltinRoles:
    """Return the roles that every cluster has."""
    return tables.read(TypeAdapter(BuiltinRoles).validate_python, ROLES_TABLE)


@cache
def permission(name: str) -> Permission:
    """Return a permission by its name."""
    return _OTHER.get(name) or table().permissions[name]


@cache
def all_permissions() -> tuple[str, ...]:
    """Return the names of all permissions."""
    return (*table().permissions, *_OTHER)


@cache
def permissions_of(rule: Rule) -> tuple[str, ...]:
    """Return the names of the permissions that a rule grants."""
    names = [name for name, row in table().permissions.items() if any(rule.grants(wanted) for wanted in row.rules)]
    names += sorted({name for atom in product(rule.groups, rule.resources, rule.verbs) for name in _other(*atom)})
    if any(path not in table().harmless_paths for path in rule.paths):
        names.append(READ_PATHS if set(rule.verbs) <= {"get", "head"} else CHANGE_OTHER)
    return tuple(names)


def _other(group: str, resource: str, verb: str) -> tuple[str, ...]:
    """Return what a verb on a resource permits that the table does not have."""
    described = [*(rule for row in table().permissions.values() for rule in row.rules), *table().harmless]
    if ANY not in (group, resource, verb) and any(_covers(rule, group, resource, verb) for rule in described):
        return ()
    if verb == ANY:
        return (READ_OTHER, CHANGE_OTHER)
    return (READ_OTHER,) if verb in _READS else (CHANGE_OTHER,)


def _covers(rule: Rule, group: str, resource: str, verb: str) -> bool:
    return all(
        ANY in own or one in own for own, one in ((rule.groups, group), (rule.resources, resource), (rule.verbs, verb))
    )


def _overlap(own: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return ANY in own or ANY in other or bool(set(own) & set(other))


def _same_resource(own: str, wanted: str) -> bool:
    """Return whether a rule's resource is one that is wanted: ``*``, the same, or ``*/exec`` for ``pods/exec``.

    Kubernetes does not know ``pods/*`` and ``*/*``; they count as every subresource.
    """
    if ANY in (own, wanted) or own == wanted:
        return True
    resource, _, subresource = own.partition("/")
    wanted_resource, _, wanted_subresource = wanted.partition("/")
    return (
        bool(subresource and wanted_subresource)
        and resource in (ANY, wanted_resource)
        and subresource in (ANY, wanted_subresource)
    )


def _same_verb(own: str, wanted: str) -> bool:
    """Return whether a rule's verb is one that is wanted; every kind of impersonation counts as impersonation."""
    return ANY in (own, wanted) or own == wanted or (wanted == "impersonate" and own.startswith("impersonate:"))
