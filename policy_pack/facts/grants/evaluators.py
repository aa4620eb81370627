"""The evaluators of grants, one for each kind of platform, and all grants of a stack."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from policy_pack.facts.grants import aws, aws_shares, cluster_objects, kubernetes, vault, vault_roles
from policy_pack.facts.grants.acting import Acting, with_acting
from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.grant import Grant
from policy_pack.settings import Settings
from policy_pack.stack.graph import Graph

T = TypeVar("T")
Evaluate = Callable[[AccessContext], Iterator[Grant]]
Acts = Callable[[AccessContext], Iterator[Acting]]
EVALUATORS: tuple[Evaluate, ...] = (
    aws.grants,
    aws_shares.grants,
    kubernetes.grants,
    cluster_objects.grants,
    vault.grants,
    vault_roles.grants,
)
ACTING: tuple[Acts, ...] = (kubernetes.acting, cluster_objects.acting, vault.acting)


def all_grants(context: AccessContext) -> Iterator[Grant]:
    """Return everything that anyone may do in a stack, also by acting as another principal."""
    direct = (grant for evaluate in EVALUATORS for grant in evaluated(context, evaluate))
    yield from with_acting(direct, (step for acts in ACTING for step in evaluated(context, acts)))


def evaluated(context: AccessContext, evaluate: Callable[[AccessContext], Iterator[T]]) -> list[T]:
    """Return what one evaluator computes of a stack, computed once."""
    found: list[T] = context.graph.memo(evaluation_name(evaluate, context.source), lambda _: list(evaluate(context)))
    return found


def evaluation_name(evaluate: Callable[..., object], source: Path) -> str:
    """Return the name by which a stack remembers what an evaluator computed with a table of access."""
    return f"{evaluate.__module__}.{evaluate.__name__} {source}"


def stack_grants(graph: Graph, settings: Settings) -> tuple[AccessContext, list[Grant]]:
    """Return all grants of a stack, computed once."""

    def compute(graph: Graph) -> tuple[AccessContext, list[Grant]]:
        access = AccessContext(graph, settings)
        return access, list(all_grants(access))

    computed: tuple[AccessContext, list[Grant]] = graph.memo(f"all grants {settings.access}", compute)
    return computed
