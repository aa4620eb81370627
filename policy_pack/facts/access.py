"""Access: what a principal can do with a data store, as one row of the access matrix."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from policy_pack.facts.principals import Principal


@dataclass(frozen=True, order=True)
class Access:
    """Access of a principal to a store.

    Parameters
    ----------
    store
        URN of the store.
    principal
        The principal.
    verb
        The operation, such as ``read``.
    parts
        The parts of the store; none means all of it.
    through
        The roles and policies that grant it.
    conditions
        The conditions that the request must meet.
    """

    store: str
    principal: Principal
    verb: str
    parts: tuple[str, ...]
    through: tuple[str, ...]
    conditions: tuple[str, ...]


def merge_access(access: Iterable[Access]) -> list[Access]:
    """Return one access for each store, principal and verb.

    A grant on the whole store removes the limit to parts, and one without conditions removes the conditions.
    """
    groups: dict[tuple[str, Principal, str], list[Access]] = defaultdict(list)
    for one in access:
        groups[one.store, one.principal, one.verb].append(one)
    return [
        Access(
            *key,
            parts=() if any(not one.parts for one in group) else _union(one.parts for one in group),
            through=_union(one.through for one in group),
            conditions=() if any(not one.conditions for one in group) else _union(one.conditions for one in group),
        )
        for key, group in sorted(groups.items())
    ]


def _union(texts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({text for group in texts for text in group}))
