"""The table of access: everything that anyone may do in the stack, compared with what people decided."""

from policy_pack.controls.rules import stack_check
from policy_pack.facts.grants.comparison import beyond
from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.evaluators import all_grants
from policy_pack.stack.checks import Finding, FindingKind, Findings, StackContext


@stack_check("AC-18")
def nothing_is_granted_beyond_the_table(context: StackContext) -> Findings:
    """Refuse every grant that is not in the table of access."""
    access = AccessContext(context.graph, context.settings)
    for one in beyond(all_grants(access), access.table):
        kind = FindingKind.VIOLATION if one.certain else FindingKind.UNKNOWN
        message = one.message if one.certain else f"not yet known, counts as granted: {one.message}"
        yield Finding(kind, message, "", context.graph.get(one.source) or context.graph.root)
