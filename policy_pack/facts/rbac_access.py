"""Kubernetes RBAC: the permissions that lead to data, such as reading Secrets or executing commands in pods."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack.facts.iam.trust import role_principals
from policy_pack.facts.principals import AWS_PRINCIPAL, Principal
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import ROLE
from policy_pack.stack.text import display_name, known_text, known_texts
from policy_pack.stack.values import View

TABLE = Path(__file__).with_name("rbac.yaml")
EVERY_NAMESPACE = "every namespace"
ROLES = ("k8s:rbac.authorization.k8s.io/Role", "k8s:rbac.authorization.k8s.io/ClusterRole")
BINDINGS = ("k8s:rbac.authorization.k8s.io/RoleBinding", "k8s:rbac.authorization.k8s.io/ClusterRoleBinding")
_ACCESS_POLICY_ASSOCIATION = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
_ACCESS_ENTRY = "aws:eks/accessEntry:AccessEntry"
_STRICT = ConfigDict(extra="forbid")


@validated(frozen=True, config=_STRICT)
class Rule:
    """An RBAC rule: verbs on resources of API groups."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]

    def grants(self, wanted: "Rule") -> bool:
        """Return whether the rule grants something of another rule."""
        pairs = ((self.groups, wanted.groups), (self.resources, wanted.resources), (self.verbs, wanted.verbs))
        return all("*" in own or set(own) & set(other) for own, other in pairs)


@validated(frozen=True, config=_STRICT)
class _Table:
    permissions: Mapping[str, tuple[Rule, ...]]
    builtin: Mapping[str, tuple[Rule, ...]]
    eks: Mapping[str, str]


@dataclass(frozen=True, order=True)
class ClusterPermission:
    """What a principal can do in a namespace.

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


RoleRules = tuple[tuple[Rule, tuple[str, ...]], ...]
"""The rules of a role, each with its resourceNames."""
Chain = tuple[Principal, tuple[str, ...]]
"""A principal, with the roles and groups through which it is the subject of a binding."""


@cache
def table() -> _Table:
    """Return the permissions that lead to data, and the roles that every cluster has."""
    return TypeAdapter(_Table).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def cluster_permissions(graph: Graph) -> ClusterPermissions:
    """Return the permissions granted by RBAC bindings and by EKS access entries."""
    roles = {_role_key(role): _rules(role) for role in graph.of(*ROLES)}
    aws_principals = _AwsPrincipals(graph)
    permissions: set[ClusterPermission] = set()
    unresolved: set[str] = set()
    for binding in graph.of(*BINDINGS):
        namespace = known_text(binding.at("metadata.namespace"))
        kind, name = known_text(binding.at("roleRef.kind")), known_text(binding.at("roleRef.name"))
        rules = roles.get((kind, namespace if kind == "Role" else "", name))
        if rules is None and kind == "ClusterRole" and name in table().builtin:
            rules = _builtin(name)
        if rules is None:
            unresolved.add(f"{display_name(binding)}: {kind} {name}")
            continue
        binding_kind = known_text(binding.at("kind")) or binding.kind.rpartition("/")[2]
        granted_by = f"{kind} {name} by {binding_kind} {display_name(binding)}"
        for principal, through in _subjects(binding, namespace, aws_principals):
            permissions |= set(_permissions(namespace or EVERY_NAMESPACE, principal, rules, (granted_by, *through)))
    for association in graph.of(_ACCESS_POLICY_ASSOCIATION):
        permissions |= set(_by_access_policy(association, aws_principals, unresolved))
    return ClusterPermissions(tuple(sorted(permissions)), tuple(sorted(unresolved)))


def _role_key(role: Resource) -> tuple[str, str, str]:
    kind = role.kind.rpartition("/")[2]
    namespace = known_text(role.at("metadata.namespace")) if kind == "Role" else ""
    return kind, namespace, known_text(role.at("metadata.name")) or role.name


def _rules(role: Resource) -> RoleRules:
    def texts(rule: View, name: str) -> tuple[str, ...]:
        # The empty text counts: it is the name of the core API group.
        return tuple(item.raw for item in rule.at(name).items() if isinstance(item.raw, str))

    return tuple(
        (Rule(texts(rule, "apiGroups"), texts(rule, "resources"), texts(rule, "verbs")), texts(rule, "resourceNames"))
        for rule in role.at("rules").items()
    )


class _AwsPrincipals:
    """The principals behind IAM roles, and behind the Kubernetes groups of EKS access entries."""

    def __init__(self, graph: Graph) -> None:
        by_urn = role_principals(graph)
        self._roles = {arn: by_urn[role.urn] for role in graph.of(ROLE) if (arn := known_text(role.at("arn")))}
        self._groups: dict[str, list[str]] = defaultdict(list)
        for entry in graph.of(_ACCESS_ENTRY):
            for group in known_texts(entry.at("kubernetesGroups")):
                self._groups[group].append(known_text(entry.at("principalArn")))

    def of_role(self, arn: str) -> list[Chain]:
        """Return the principals that can assume a role of this stack; for another ARN, the ARN itself."""
        if arn in self._roles:
            return [(principal, (f"role {arn.rpartition('/')[2]}",)) for principal in self._roles[arn]]
        return [(Principal(AWS_PRINCIPAL, arn), ())]

    def of_group(self, group: str) -> list[Chain]:
        """Return the members of a group; without an access entry, the group itself."""
        members = [
            (principal, (f"group {group}", *through))
            for arn in self._groups.get(group, ())
            for principal, through in self.of_role(arn)
        ]
        return members or [(Principal("group", group), ())]


def _subjects(binding: Resource, namespace: str, aws_principals: _AwsPrincipals) -> Iterator[Chain]:
    for subject in binding.at("subjects").items():
        kind, name = known_text(subject.at("kind")), known_text(subject.at("name"))
        if kind == "ServiceAccount":
            yield Principal(kind, f"{known_text(subject.at('namespace')) or namespace}/{name}"), ()
        elif kind == "Group":
            yield from aws_principals.of_group(name)
        elif kind:
            yield Principal(kind.lower(), name), ()


def _permissions(
    namespace: str, principal: Principal, rules: RoleRules, through: tuple[str, ...]
) -> Iterator[ClusterPermission]:
    for permission, wanted in table().permissions.items():
        granting = [names for rule, names in rules if any(rule.grants(one) for one in wanted)]
        if granting:
            limits = () if any(not names for names in granting) else {name for names in granting for name in names}
            yield ClusterPermission(namespace, principal, permission, through, tuple(sorted(limits)))


def _by_access_policy(
    association: Resource, aws_principals: _AwsPrincipals, unresolved: set[str]
) -> Iterator[ClusterPermission]:
    """Return the permissions that an EKS access policy grants to an IAM principal."""
    policy = known_text(association.at("policyArn")).rpartition("/")[2]
    role = table().eks.get(policy)
    if role is None:
        unresolved.add(f"{association.name}: access policy {policy or 'not known'}")
        return
    scoped = known_text(association.at("accessScope.type")) == "namespace"
    namespaces = known_texts(association.at("accessScope.namespaces")) if scoped else [EVERY_NAMESPACE]
    arn = known_text(association.at("principalArn")) or association.name
    for principal, through in aws_principals.of_role(arn):
        for namespace in namespaces:
            yield from _permissions(namespace, principal, _builtin(role), (f"EKS access policy {policy}", *through))


def _builtin(role: str) -> RoleRules:
    return tuple((rule, ()) for rule in table().builtin[role])
