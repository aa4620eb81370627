"""Grants of Kubernetes: what RBAC, EKS access entries and default groups permit, and who holders can act as."""

from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.facts.grants.acting import Acting, Target
from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.grant import ANONYMOUS, EVERYTHING, Data, Grant, Subject
from policy_pack.facts.iam.assumption import role_principals
from policy_pack.facts.principals import NOBODY, Principal
from policy_pack.facts.rbac.bindings import (
    EVERY_NAMESPACE,
    GROUP,
    IAM,
    MASTERS,
    SERVICE_ACCOUNT,
    Held,
    Holder,
    held_roles,
)
from policy_pack.facts.rbac.roles import RoleGrant
from policy_pack.facts.rbac.table import Acts, all_permissions, permission
from policy_pack.facts.verbs import Verb
from policy_pack.stack.kinds import NAMESPACE
from policy_pack.stack.text import known_text

CLUSTER = "cluster"
"""The name of a place that has no namespace, and of every namespace that the stack does not declare."""
ANY_ACCOUNT = "anyone with an identity in the cluster"
_SERVICE_ACCOUNTS = "system:serviceaccounts"
_ANONYMOUS = ("system:unauthenticated", "system:anonymous")


@dataclass(frozen=True)
class _Permitted:
    """One permission that a principal has somewhere."""

    subject: Subject
    namespace: str
    grant: RoleGrant
    path: tuple[str, ...]
    source: str
    certain: bool


def grants(context: AccessContext) -> Iterator[Grant]:
    """Return what RBAC grants."""
    kubernetes = _kubernetes(context)
    for held in kubernetes.held:
        if held.grants is None:
            for subject in kubernetes.subjects(held.holder):
                path = (*_start(subject, held), "a role that neither the stack nor every cluster has")
                yield Grant(subject, Data(EVERYTHING), None, path, held.source, held.certain)
    seen: set[tuple[Subject, Data, Verb, str, bool]] = set()
    for one in kubernetes.permitted:
        row = permission(one.grant.permission)
        for place in kubernetes.places(one, cluster_only=row.cluster):
            data = context.data(row.place, place)
            key = (one.subject, data, Verb(row.verb), one.source, one.certain)
            if key not in seen:
                seen.add(key)
                limit = f" ({', '.join(one.grant.names)})" if one.grant.names else ""
                path = (*one.path, f"{place}: {one.grant.permission}{limit}")
                yield Grant(one.subject, data, Verb(row.verb), path, one.source, one.certain)


def acting(context: AccessContext) -> Iterator[Acting]:
    """Return as which ServiceAccounts the holders of permissions can act."""
    kubernetes = _kubernetes(context)
    for one in kubernetes.permitted:
        acts = permission(one.grant.permission).acts
        if acts is not Acts.NOBODY:
            for target in _targets(one, acts, context):
                yield Acting(one.subject, target, (*one.path, one.grant.permission), one.source, one.certain)


def _targets(one: _Permitted, acts: Acts, context: AccessContext) -> list[Target]:
    names = one.grant.names if acts is Acts.NAMED and one.grant.names else ("*",)
    if one.namespace == EVERY_NAMESPACE:
        return [Target("ServiceAccount *" if name == "*" else f"*/{name}", None) for name in names]
    subjects = [context.service_account(one.namespace, name) for name in names]
    return [Target(subject.name, subject.hospital) for subject in subjects]


def _start(subject: Subject, held: Held) -> tuple[str, ...]:
    return (f"{subject.hospital} {subject.name}".strip(), *held.holder.through, held.via)


class _Kubernetes:
    """The roles that principals hold, with every permission that these lead to."""

    def __init__(self, context: AccessContext) -> None:
        self._context = context
        self._principals = role_principals(context.graph)
        names = (known_text(one.at("metadata.name")) for one in context.graph.of(NAMESPACE))
        self._namespaces = sorted({*names} - {""})
        self.held = held_roles(context.graph)
        self.permitted = [one for held in self.held for one in self._permitted(held)]

    def _permitted(self, held: Held) -> Iterator[_Permitted]:
        for subject in self.subjects(held.holder):
            path = _start(subject, held)
            grants = [grant for grant in held.grants or () if _applies(grant.permission, held)]
            for grant in grants:
                yield _Permitted(subject, held.namespace, grant, path, held.source, held.certain and grant.certain)
            unlimited = {grant.permission for grant in grants if not grant.names and grant.certain}
            for grant in grants:
                if permission(grant.permission).acts is Acts.EVERYTHING:
                    for name in all_permissions():
                        if name not in unlimited and _applies(name, held):
                            yield _Permitted(
                                subject,
                                held.namespace,
                                RoleGrant(name),
                                (*path, grant.permission),
                                held.source,
                                held.certain and grant.certain,
                            )

    def places(self, one: _Permitted, *, cluster_only: bool) -> list[str]:
        """Return the names of the places of a permission: namespaces, and `CLUSTER`."""
        if one.namespace != EVERY_NAMESPACE:
            return [one.namespace]
        return [CLUSTER] if cluster_only else [*self._namespaces, CLUSTER]

    def subjects(self, holder: Holder) -> list[Subject]:
        """Return a holder as the table of access names it; for a role of the stack, who can assume it."""
        if holder.kind == SERVICE_ACCOUNT:
            namespace, _, name = holder.name.partition("/")
            return [self._context.service_account(namespace, name)]
        if holder.kind == IAM:
            return self._iam_subjects(holder.name)
        if holder.kind == GROUP and holder.name.startswith(f"{_SERVICE_ACCOUNTS}:"):
            return [self._context.service_account(holder.name.removeprefix(f"{_SERVICE_ACCOUNTS}:"), "*")]
        if holder.name in _ANONYMOUS:
            return [Subject(ANONYMOUS)]
        if holder.name in ("system:authenticated", _SERVICE_ACCOUNTS):
            return [Subject(ANY_ACCOUNT)]
        # Nobody is in this group but by an access entry, which is a holder of its own, or a client certificate.
        return [Subject(f"{holder.kind} {holder.name}")] if holder.name != MASTERS else []

    def _iam_subjects(self, name: str) -> list[Subject]:
        principals = self._principals.get(name)
        if principals is None:
            return [Subject(f"AWS principal {_without_account(name)}")]
        role = self._context.graph.at(name)
        return [self._assuming(role.name, one) for one in principals if one != NOBODY]

    def _assuming(self, role: str, principal: Principal) -> Subject:
        if principal.kind == SERVICE_ACCOUNT:
            namespace, _, name = principal.name.partition("/")
            return self._context.service_account(namespace, name)
        if principal.kind == "AWS service":
            return self._context.role(role, principal.name)
        if principal.kind == "people":
            return self._context.role(role, "people")
        return Subject(principal.label)


def _applies(name: str, held: Held) -> bool:
    """Return whether a permission is granted where a role is held: in a namespace, none on what has no namespace."""
    return held.namespace == EVERY_NAMESPACE or not permission(name).cluster


def _without_account(arn: str) -> str:
    """Return the type and name of an ARN, such as ``user/deployer``: the account differs between environments."""
    return arn.rpartition(":")[2]


def _kubernetes(context: AccessContext) -> _Kubernetes:
    computed: _Kubernetes = context.graph.memo(
        f"kubernetes access {sorted(context.hospitals)}", lambda _: _Kubernetes(context)
    )
    return computed
