"""The table of access: everything that anyone may do in the stack, compared with what people decided.

One comparison, reported by the control that is about what grants it: a role or binding of Kubernetes, an entry of EKS,
Vault, or anything else.
"""

from collections.abc import Iterator

from policy_pack.controls.rules import stack_check
from policy_pack.facts.grants.comparison import Beyond, beyond, missing, unused
from policy_pack.facts.grants.evaluators import stack_grants
from policy_pack.stack.checks import Finding, FindingKind, Findings, StackContext, violation
from policy_pack.stack.graph import STACK, Graph
from policy_pack.stack.kinds import CONFIG_MAP

_RBAC = "k8s:rbac.authorization.k8s.io/"
_CLUSTER_ACCESS = ("aws:eks/access", CONFIG_MAP)
_ROLES, _BINDINGS, _VAULT, _CLUSTER, _OTHERS = "AC-10", "AC-11", "AC-12", "AC-14", "AC-18"


@stack_check(_ROLES)
def roles_permit_what_the_table_allows(context: StackContext) -> Findings:
    """Refuse permissions of a principal in its own hospital that are beyond its rows of the table."""
    yield from _beyond(context, _ROLES)


@stack_check(_BINDINGS)
def bindings_name_principals_of_the_table(context: StackContext) -> Findings:
    """Refuse permissions of principals that the table does not name, and those in another hospital."""
    yield from _beyond(context, _BINDINGS)


@stack_check(_VAULT)
def vault_grants_what_the_table_allows(context: StackContext) -> Findings:
    """Refuse what logins, database roles and PKI roles of Vault grant beyond the table."""
    yield from _beyond(context, _VAULT)


@stack_check(_CLUSTER)
def entries_of_the_cluster_grant_what_the_table_allows(context: StackContext) -> Findings:
    """Refuse what EKS access entries and aws-auth grant beyond the table."""
    yield from _beyond(context, _CLUSTER)


@stack_check(_OTHERS)
def nothing_is_granted_beyond_the_table(context: StackContext) -> Findings:
    """Refuse every other grant that is not in the table of access."""
    yield from _beyond(context, _OTHERS)


@stack_check(_OTHERS)
def the_table_allows_workloads_nothing_in_vain(context: StackContext) -> Findings:
    """Refuse rows of the table about a workload of the stack that nothing grants."""
    access, grants = stack_grants(context.graph, context.settings)
    data = {grant.data for grant in grants}
    for permission in missing(grants, access.table, access.workloads(), data):
        yield violation(unused(permission), "", context.graph.root)


def _beyond(context: StackContext, control: str) -> Iterator[Finding]:
    def compute(_: Graph) -> list[Beyond]:
        access, grants = stack_grants(context.graph, context.settings)
        return beyond(grants, access.table)

    computed: list[Beyond] = context.graph.memo(f"beyond {context.settings.access}", compute)
    for one in computed:
        if _control(one, context.graph) == control:
            kind = FindingKind.VIOLATION if one.certain else FindingKind.UNKNOWN
            message = one.message if one.certain else f"not yet known, counts as granted: {one.message}"
            yield Finding(kind, message, "", context.graph.get(one.source) or context.graph.root)


def _control(one: Beyond, graph: Graph) -> str:
    """Return the control that is about what grants something."""
    resource = graph.get(one.source) or graph.root
    if resource.package == "vault":
        return _VAULT
    if resource.kind.startswith(_CLUSTER_ACCESS):
        return _CLUSTER
    if resource.kind.startswith(_RBAC) or resource.type == STACK:
        return _ROLES if one.own else _BINDINGS
    return _OTHERS
