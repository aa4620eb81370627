"""Permissions of RBAC that lead to data, as rows of the access matrix."""

from collections import defaultdict
from dataclasses import dataclass

from policy_pack.facts.iam.assumption import role_principals
from policy_pack.facts.principals import AWS_PRINCIPAL, Principal
from policy_pack.facts.rbac.bindings import EVERY_NAMESPACE, IAM, Held, held_roles
from policy_pack.facts.rbac.table import permission
from policy_pack.stack.graph import Graph

Chain = tuple[Principal, tuple[str, ...]]
"""A principal, with the roles and groups through which it holds a role of the cluster."""


@dataclass(frozen=True, order=True)
class ClusterPermission:
    """Permission of a principal in a namespace.

    Parameters
    ----------
    namespace
        The namespace, or `EVERY_NAMESPACE`.
    principal, permission
        The principal and the permission, as the table names it.
    through
        The binding and the role that grant it.
    resource_names
        The names of the objects that it is limited to.
    """

    namespace: str
    principal: Principal
    permission: str
    through: tuple[str, ...]
    resource_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClusterPermissions:
    """All permissions, and the bindings to roles that are not in the state."""

    permissions: tuple[ClusterPermission, ...]
    unresolved: tuple[str, ...]


def cluster_permissions(graph: Graph) -> ClusterPermissions:
    """Return the permissions granted by RBAC bindings and by EKS access entries."""
    principals = role_principals(graph)
    permissions: set[ClusterPermission] = set()
    unresolved: set[str] = set()
    for held in held_roles(graph):
        if held.grants is None:
            unresolved.add(held.via)
            continue
        for name, names in _limits(held).items():
            for principal, through in _principals(held, principals, graph):
                permissions.add(ClusterPermission(held.namespace, principal, name, (held.via, *through), names))
    return ClusterPermissions(tuple(sorted(permissions)), tuple(sorted(unresolved)))


def _limits(held: Held) -> dict[str, tuple[str, ...]]:
    """Return the permissions of a role, each with the names that it is limited to."""
    by_name: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for grant in held.grants or ():
        if held.namespace == EVERY_NAMESPACE or not permission(grant.permission).cluster:
            by_name[grant.permission].append(grant.names)
    return {
        name: () if any(not one for one in names) else tuple(sorted({text for one in names for text in one}))
        for name, names in by_name.items()
    }


def _principals(held: Held, principals: dict[str, list[Principal]], graph: Graph) -> list[Chain]:
    """Return the principals behind a holder: for a role of the stack, those that can assume it."""
    holder = held.holder
    if holder.kind != IAM:
        return [(Principal(holder.kind, holder.name), holder.through)]
    if holder.name in principals:
        role = graph.at(holder.name)
        return [(one, (*holder.through, f"role {role.name}")) for one in principals[holder.name]]
    return [(Principal(AWS_PRINCIPAL, holder.name), holder.through)]
