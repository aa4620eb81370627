"""Holders of roles: subjects of bindings, EKS access entries and access policies, and the ConfigMap aws-auth."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import yaml

from policy_pack.facts.rbac.roles import CLUSTER_ROLE, ROLE, RoleGrant, RoleKey, Roles, objects
from policy_pack.facts.rbac.table import all_permissions, builtin_roles, table
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import CONFIG_MAP, ROLE_KEYS
from policy_pack.stack.kinds import ROLE as IAM_ROLE
from policy_pack.stack.text import display_name, known_text, known_texts
from policy_pack.stack.values import View

_GROUP = "k8s:rbac.authorization.k8s.io"
BINDINGS = (f"{_GROUP}/RoleBinding", f"{_GROUP}/ClusterRoleBinding")
_BINDING_KINDS = tuple(f"{kind}{form}" for kind in BINDINGS for form in ("", "Patch", "List"))
ACCESS_ENTRY = "aws:eks/accessEntry:AccessEntry"
ACCESS_POLICY = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
EVERY_NAMESPACE = "every namespace"
MASTERS = "system:masters"
SERVICE_ACCOUNT, USER, GROUP, IAM = "ServiceAccount", "user", "group", "IAM principal"
_AWS_AUTH = ("mapRoles", "mapUsers", "mapAccounts")
_NOT_KNOWN = "(not known yet)"


@dataclass(frozen=True, order=True)
class Holder:
    """Holder of a role: a ServiceAccount (``namespace/name``), a user, a group, or an IAM principal by its ARN.

    Parameters
    ----------
    kind, name
        The kind and the name; for a role of the stack, the name is its URN.
    through
        The groups and entries by which it holds the role.
    """

    kind: str
    name: str
    through: tuple[str, ...] = ()


@dataclass(frozen=True)
class Held:
    """A role that somebody holds in a namespace, or in `EVERY_NAMESPACE`.

    Parameters
    ----------
    holder
        Who holds it.
    namespace
        Where.
    grants
        What the role grants; None where neither the stack nor every cluster has the role.
    via
        The binding and the role, as text for a reader.
    source
        URN of the resource that binds it.
    certain
        False where a part of the binding is not known yet.
    """

    holder: Holder
    namespace: str
    grants: tuple[RoleGrant, ...] | None
    via: str
    source: str
    certain: bool = True


def held_roles(graph: Graph) -> list[Held]:
    """Return every role that somebody holds."""
    roles = Roles(graph)
    entries = _Entries(graph)
    bound: set[RoleKey] = set()
    return [
        *(held for resource in graph.of(*_BINDING_KINDS) for held in _of_binding(resource, roles, entries, bound)),
        *(held for key, urn in roles.declared().items() if key not in bound for held in _unbound(key, urn, roles)),
        *(held for name in roles.extended() for held in _of_default_binding(name, roles, entries, graph)),
        *(held for association in graph.of(ACCESS_POLICY) for held in _of_access_policy(association, roles, graph)),
        *entries.held(roles),
    ]


def _unbound(key: RoleKey, urn: str, roles: Roles) -> Iterator[Held]:
    """Return what a role that no binding of the stack names grants to whoever is bound to it elsewhere."""
    holder = Holder("whoever is bound to", f"{key.kind} {key.name}")
    via = f"{key.kind} {key.name}, which the stack does not bind"
    yield Held(holder, key.namespace or EVERY_NAMESPACE, roles.of(key), via, urn)


def _of_binding(resource: Resource, roles: Roles, entries: "_Entries", bound: set[RoleKey]) -> Iterator[Held]:
    for body in objects(resource):
        binding = resource.kind.rpartition("/")[2].removesuffix("List")
        namespace = known_text(body.at("metadata.namespace"))
        everywhere = binding.startswith("Cluster")
        kind, name = known_text(body.at("roleRef.kind")), known_text(body.at("roleRef.name"))
        key = RoleKey(kind, "" if kind == CLUSTER_ROLE else namespace, name)
        bound.add(key)
        certain = all(
            body.at(path).known for path in ("roleRef.kind", "roleRef.name", "subjects", "metadata.namespace")
        )
        grants = roles.of(key) if kind in (ROLE, CLUSTER_ROLE) else None
        where = EVERY_NAMESPACE if everywhere or not namespace else namespace
        via = f"{kind} {name} by {binding} {display_name(resource)}"
        for subject in body.at("subjects").items():
            known = subject.known and all(subject.at(field).known for field in ("kind", "name", "namespace"))
            for holder in _holders(subject, namespace, entries):
                yield Held(holder, where, grants, via, resource.urn, certain and known)


def _holders(subject: View, namespace: str, entries: "_Entries") -> Iterator[Holder]:
    kind, name = known_text(subject.at("kind")), known_text(subject.at("name")) or _NOT_KNOWN
    if kind == SERVICE_ACCOUNT:
        known = subject.at("namespace").known
        yield Holder(kind, f"{known_text(subject.at('namespace')) or (namespace if known else _NOT_KNOWN)}/{name}")
    elif kind == "Group":
        yield from entries.of_group(name)
    else:
        yield from entries.of_user(name)


def _of_default_binding(name: str, roles: Roles, entries: "_Entries", graph: Graph) -> Iterator[Held]:
    """Return who holds a default role that the stack changes, by the bindings that every cluster has."""
    for group in builtin_roles().bindings[name]:
        for holder in entries.of_group(group):
            grants = roles.of(RoleKey(CLUSTER_ROLE, "", name))
            yield Held(holder, EVERY_NAMESPACE, grants, f"ClusterRole {name} by its default binding", graph.root.urn)


def _of_access_policy(association: Resource, roles: Roles, graph: Graph) -> Iterator[Held]:
    """Return what an EKS access policy grants to an IAM principal; an unknown policy counts as every permission."""
    view = association.at("policyArn")
    policy = known_text(view).rpartition("/")[2]
    name = table().eks.get(policy, "")
    grants = roles.of(RoleKey(CLUSTER_ROLE, "", name)) if name else None
    via = f"EKS access policy {policy or _NOT_KNOWN}"
    scope = association.at("accessScope")
    holder = iam_holder(association, "principalArn", graph)
    known = (view, scope.at("type"), scope.at("namespaces"))
    certain = holder.name != _NOT_KNOWN and all(_is_known(one) for one in known)
    if not view.known:
        grants = tuple(RoleGrant(one) for one in all_permissions())
    for namespace in _scope(scope, graph):
        yield Held(holder, namespace, grants, via, association.urn, certain)


def _scope(scope: View, graph: Graph) -> list[str]:
    """Return the namespaces of an access scope, whose names can have wildcards."""
    patterns = known_texts(scope.at("namespaces"))
    if known_text(scope.at("type")) != "namespace" or not patterns:
        return [EVERY_NAMESPACE]
    declared = [known_text(one.at("metadata.name")) for one in graph.of("k8s:core/Namespace")]
    named = [name for name in declared if any(fnmatchcase(name, pattern) for pattern in patterns)]
    return sorted({*named, *(pattern for pattern in patterns if pattern not in named)})


def iam_holder(resource: Resource, path: str, graph: Graph) -> Holder:
    """Return the IAM principal that a property names: the URN of a role of the stack, or an ARN."""
    role = graph.target(resource, path, (IAM_ROLE,), ROLE_KEYS)
    return Holder(IAM, role.urn if role else known_text(resource.at(path)) or _NOT_KNOWN)


class _Entries:
    """IAM principals that are users and members of groups of the cluster: access entries, and aws-auth."""

    def __init__(self, graph: Graph) -> None:
        self._groups: dict[str, list[Holder]] = defaultdict(list)
        self._users: dict[str, list[Holder]] = defaultdict(list)
        self._nodes: list[tuple[Holder, str, str]] = []
        self._not_known: list[tuple[Holder, str, str]] = []
        self._urns: dict[Holder, str] = {}
        self._by_arn = {
            known_text(role.at("arn")): role.urn for role in graph.of(IAM_ROLE) if known_text(role.at("arn"))
        }
        for entry in graph.of(ACCESS_ENTRY):
            holder = iam_holder(entry, "principalArn", graph)
            self._add(holder, known_texts(entry.at("kubernetesGroups")), known_text(entry.at("userName")), entry.urn)
            unknown = [name for name in ("kubernetesGroups", "userName", "type") if not _is_known(entry.at(name))]
            unknown += ["principalArn"] if holder.name == _NOT_KNOWN else []
            self._not_known += [(holder, f"access entry, {name} {_NOT_KNOWN}", entry.urn) for name in unknown]
            kind = entry.at("type")
            if kind.known and kind.text() not in ("", "STANDARD"):
                self._nodes.append((holder, f"access entry of type {kind.text()}: the identity of a node", entry.urn))
        for config in graph.of(CONFIG_MAP, f"{CONFIG_MAP}Patch"):
            name = config.at("metadata.name")
            if not name.known and any(not config.at("data").key(field).absent for field in _AWS_AUTH):
                self._not_known.append((Holder(IAM, _NOT_KNOWN), "a ConfigMap that may be aws-auth", config.urn))
            if known_text(name) == "aws-auth":
                self._read_aws_auth(config)

    def _add(self, holder: Holder, groups: list[str], user: str, source: str) -> None:
        for group in groups:
            self._groups[group].append(holder)
        if user:
            self._users[user].append(holder)
        self._urns[holder] = source

    def _read_aws_auth(self, config: Resource) -> None:
        for field, arn_field in (("mapRoles", "rolearn"), ("mapUsers", "userarn")):
            for one in _documents(config.at("data").key(field)):
                arn = one.get(arn_field)
                groups = [str(group) for group in one.get("groups") or ()]
                if not isinstance(arn, str):
                    arn, groups = "an entry that cannot be read", [MASTERS]
                holder = Holder(IAM, self._by_arn.get(arn, arn), ("aws-auth",))
                self._add(holder, groups, str(one.get("username") or ""), config.urn)
                if "system:nodes" in groups:
                    self._nodes.append((holder, "aws-auth: the identity of a node", config.urn))
            if not config.at("data").key(field).known:
                self._not_known.append((Holder(IAM, _NOT_KNOWN), f"aws-auth: {field}", config.urn))
        for one in _documents(config.at("data").key("mapAccounts")):
            holder = Holder(IAM, f"every principal of account {one.get('value')}", ("aws-auth",))
            self._nodes.append((holder, "aws-auth: mapAccounts", config.urn))

    def of_group(self, group: str) -> list[Holder]:
        """Return a group and its members by access entries."""
        members = [Holder(one.kind, one.name, (f"group {group}", *one.through)) for one in self._groups.get(group, ())]
        return members or [Holder(GROUP, group)]

    def of_user(self, user: str) -> list[Holder]:
        """Return a user, or the IAM principal that an access entry gives its name."""
        parts = user.split(":")
        if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4:
            return [Holder(SERVICE_ACCOUNT, f"{parts[2]}/{parts[3]}")]
        return [Holder(one.kind, one.name, (f"user {user}", *one.through)) for one in self._users.get(user, ())] or [
            Holder(USER, user)
        ]

    def held(self, roles: Roles) -> Iterator[Held]:
        """Return what entries hold without a binding: the group system:masters, and the identities of nodes."""
        everything = roles.of(RoleKey(CLUSTER_ROLE, "", "cluster-admin"))
        for holder in self._groups.get(MASTERS, ()):
            via = f"group {MASTERS}"
            yield Held(holder, EVERY_NAMESPACE, everything, via, self._urns[holder])
        for holder, via, source in self._not_known:
            yield Held(holder, EVERY_NAMESPACE, everything, via, source, certain=False)
        for holder, via, source in self._nodes:
            yield Held(holder, EVERY_NAMESPACE, (RoleGrant("control nodes"),), via, source)


def _is_known(view: View) -> bool:
    return view.known and all(item.known for item in view.items())


def _documents(view: View) -> list[dict[str, Any]]:
    """Return the items of a YAML text in the ConfigMap; a text that cannot be read is one item without fields."""
    if not isinstance(view.raw, str):
        return []
    try:
        items = yaml.safe_load(view.raw)
    except yaml.YAMLError:
        items = [{}]
    return (
        [one if isinstance(one, dict) else {"value": one} for one in items or ()] if isinstance(items, list) else [{}]
    )
