"""Mutations of the properties of what the stack has, from the types of the providers' SDKs."""

from collections.abc import Callable, Iterator

from policy_pack.stack.graph import Resource
from tests.policy.attacks.mutation import Family, Mutation, Target, ends, put
from tests.policy.attacks.sdk import resource_fields
from tests.policy.attacks.widening import widenings


def widened(family: Family, resource: Resource) -> Iterator[Mutation]:
    """Return the changes of every property of a resource."""
    for change in widenings(resource_fields(resource.type), resource.props):
        props = put(resource.props, change.steps, change.value)
        if props != resource.props:
            yield family.change(resource, change.operation, props)


def of_kinds(name: str, target: Target, takes: Callable[[str], bool], *, most: int = 2) -> Iterator[Mutation]:
    """Return the changes of the first and last resource of each kind that a predicate takes."""
    family = Family(name, target)
    by_kind: dict[str, list[Resource]] = {}
    for resource in target.resources:
        if takes(resource.kind):
            by_kind.setdefault(resource.kind, []).append(resource)
    for found in by_kind.values():
        for resource in ends(found)[:most]:
            yield from widened(family, resource)
            yield family.drop(resource)
