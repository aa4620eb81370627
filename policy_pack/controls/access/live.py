"""Permissions that Vault, AWS and the cluster have, compared with those of the state."""

from collections.abc import Iterable, Iterator

from policy_pack.controls.rules import stack_check
from policy_pack.facts.cluster_drift import GRANTING_KINDS, drift, undeclared_bindings
from policy_pack.facts.live_permissions import declared, is_expected
from policy_pack.stack.checks import Findings, StackContext, violation
from policy_pack.stack.graph import Graph
from policy_pack.stack.live import Permission


@stack_check("AC-19")
def live_permissions_are_declared(context: StackContext) -> Findings:
    """Refuse a policy, role, trust or grant of a server that the state does not have, or has otherwise."""
    live = context.addresses.live if context.addresses else None
    if live is None:
        return
    graph = context.graph
    for permissions in (live.vault, live.aws):
        for text in _problems(permissions or (), graph):
            yield violation(text)
    if live.cluster is not None:
        granting = [one for one in live.cluster if one.kind in GRANTING_KINDS]
        for one in drift(Graph(graph.of(*GRANTING_KINDS), graph.stack), granting, context.settings):
            yield violation(f"cluster: {one.object} {one.difference}{f' ({one.path})' if one.path else ''}")
        for binding in undeclared_bindings(graph, live.cluster, context.settings):
            if not is_expected("cluster", *binding, graph.stack):
                yield violation(f"cluster: {' '.join(binding)} is not in the state; delete it, or declare it")


def _problems(permissions: Iterable[Permission], graph: Graph) -> Iterator[str]:
    known = declared(graph)
    for one in permissions:
        content = known.get(one)
        if content is None:
            if not is_expected(one.server, one.kind, one.name, graph.stack):
                yield f"{one.label} is not in the state; delete it on the server, or declare it"
        elif content and one.content != content:
            yield f"{one.label} differs from the state; run an update with --refresh to see and restore it"
