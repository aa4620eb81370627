"""Who can do what with a store: one line of the access matrix."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from policy_pack.facts.principals import Who


@dataclass(frozen=True, order=True)
class Access:
    """What somebody can do with a store.

    Parameters
    ----------
    store
        URN of the store.
    who
        Who can.
    verb
        What, in a word.
    parts
        The parts of the store; none means all of it.
    through
        The roles and policies by which it is given.
    when
        What the request must fulfil.
    """

    store: str
    who: Who
    verb: str
    parts: tuple[str, ...]
    through: tuple[str, ...]
    when: tuple[str, ...]


def gathered(found: Iterable[Access]) -> list[Access]:
    """Return one access for each store, principal and verb; a way that reaches all of a store leaves no parts."""
    groups: dict[tuple[str, Who, str], list[Access]] = defaultdict(list)
    for access in found:
        groups[access.store, access.who, access.verb].append(access)
    return [
        Access(
            *key,
            parts=() if any(not one.parts for one in group) else _all(one.parts for one in group),
            through=_all(one.through for one in group),
            # Where one way asks nothing of the request, nothing is asked.
            when=() if any(not one.when for one in group) else _all(one.when for one in group),
        )
        for key, group in sorted(groups.items())
    ]


def _all(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({text for texts in lists for text in texts}))
