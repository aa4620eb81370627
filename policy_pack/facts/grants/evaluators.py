"""The evaluators of grants, one for each kind of platform, and all grants of a stack."""

from collections.abc import Callable, Iterator

from policy_pack.facts.grants import aws
from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.grant import Grant

Evaluate = Callable[[AccessContext], Iterator[Grant]]
EVALUATORS: tuple[Evaluate, ...] = (aws.grants,)


def all_grants(context: AccessContext) -> Iterator[Grant]:
    """Return everything that anyone may do in a stack."""
    for grants in EVALUATORS:
        yield from grants(context)
