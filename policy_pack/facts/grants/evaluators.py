"""The evaluators of grants, one for each kind of platform, and all grants of a stack."""

from collections.abc import Callable, Iterator

from policy_pack.facts.grants import aws, aws_shares, cluster_objects, kubernetes, vault, vault_roles
from policy_pack.facts.grants.acting import Acting, with_acting
from policy_pack.facts.grants.context import AccessContext
from policy_pack.facts.grants.grant import Grant

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
    direct = (grant for grants in EVALUATORS for grant in grants(context))
    yield from with_acting(direct, (step for acting in ACTING for step in acting(context)))
