"""Counts of a report that holds nobody's data: small ones are withheld.

A cell is small below the least number of patients of the k-anonymity rule (``cells`` of ``model/deid/groups.yaml``),
and also where the rest of its total is. A count that would give a small one by subtraction is withheld too.
"""

from dataclasses import dataclass
from functools import cache

from model.deid.groups import groups

WITHHELD = "withheld"
Cell = int | str
"""A count, ``<5`` or ``>45`` for a small one or a small rest, or ``withheld``."""


@cache
def least() -> int:
    """Return the smallest count that is shown."""
    return groups().table.cells.least


def cell(count: int, total: int | None = None) -> Cell:
    """Return a count of encounters, out of a total that is shown beside it.

    Examples
    --------
    >>> cell(0), cell(3), cell(12), cell(12, total=13), cell(13, total=13)
    (0, '<5', 12, '>8', 13)
    """
    if is_small(count) or (total is not None and total < least()):
        return f"<{least()}"
    if total is not None and is_small(total - count):
        return f">{total - least()}"
    return count


@dataclass(frozen=True)
class Crossing:
    """Encounters above a threshold before and after, and those that cross it.

    Parameters
    ----------
    recorded, candidate
        Encounters above the threshold, by the recorded score and by the candidate's.
    newly_above, no_longer_above
        Those that are above by the candidate's alone, and by the recorded score alone.
    """

    recorded: Cell
    candidate: Cell
    newly_above: Cell
    no_longer_above: Cell


def crossing(recorded: int, newly_above: int, no_longer_above: int, total: int) -> Crossing:
    """Return the cells of a crossing, of which no small one can be computed from the others.

    Examples
    --------
    >>> crossing(40, 9, 6, 100)
    Crossing(recorded=40, candidate=43, newly_above=9, no_longer_above=6)
    >>> crossing(40, 9, 2, 100)
    Crossing(recorded=40, candidate='withheld', newly_above='withheld', no_longer_above='<5')
    """
    stays = (recorded - no_longer_above, total - recorded - newly_above)
    above = cell(recorded, total)
    if not any(is_small(count) for count in (newly_above, no_longer_above, *stays)):
        return Crossing(above, recorded + newly_above - no_longer_above, newly_above, no_longer_above)
    return Crossing(above, WITHHELD, guarded(newly_above), guarded(no_longer_above))


def is_small(count: int) -> bool:
    """Return whether a count is of somebody, and of too few."""
    return 0 < count < least()


def guarded(count: int) -> Cell:
    """Return a count that another small one could be computed from: whether it is small or none, else nothing."""
    # None as well: who knew that one is none could compute another.
    return f"<{least()}" if count < least() else WITHHELD
