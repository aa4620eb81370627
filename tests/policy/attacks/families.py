"""The families of mutations, and samples of each."""

import random
import zlib
from collections.abc import Iterator, Mapping
from functools import cache

from tests.policy.attacks import access, exposure, flows, identities, kinds, labels, pods, rbac, records, vault
from tests.policy.attacks.mutation import Maker, Mutation
from tests.policy.attacks.stacks import STACKS, attacked

Key = tuple[str, str]
FAMILIES: Mapping[str, Maker] = {
    module.FAMILY: module.mutations
    for module in (access, exposure, flows, identities, kinds, labels, pods, rbac, records, vault)
}


def mutations(family: str, stack: str) -> list[Mutation]:
    """Return the mutations of a family in a stack: of each kind of resource, each operation once.

    Where several stacks have one, it is made in one of them, half of all in each.
    """
    by_stack = {name: _each_once(family, name) for name in STACKS}
    return [mutation for key, mutation in by_stack[stack].items() if stack == _place(key, by_stack)]


@cache
def _each_once(family: str, stack: str) -> dict[Key, Mutation]:
    found: dict[Key, Mutation] = {}
    for mutation in FAMILIES[family](attacked(stack).target):
        found.setdefault((mutation.api, mutation.operation), mutation)
    return found


def _place(key: Key, by_stack: Mapping[str, Mapping[Key, Mutation]]) -> str:
    among = [name for name, found in by_stack.items() if key in found]
    return among[zlib.crc32(" ".join(key).encode()) % len(among)]


def sample(found: list[Mutation], size: int, seed: int) -> list[Mutation]:
    """Return some mutations: one of each kind of resource in turn, drawn by a seed."""
    by_api: dict[str, list[Mutation]] = {}
    for mutation in found:
        by_api.setdefault(mutation.api, []).append(mutation)
    chosen = random.Random(seed)
    for group in by_api.values():
        chosen.shuffle(group)
    order = sorted(by_api)
    chosen.shuffle(order)
    return list(_in_turn([by_api[api] for api in order], size))


def _in_turn(groups: list[list[Mutation]], size: int) -> Iterator[Mutation]:
    for position in range(max((len(group) for group in groups), default=0)):
        for group in groups:
            if position < len(group) and size > 0:
                size -= 1
                yield group[position]
