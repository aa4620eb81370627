"""Small counts are withheld, and none follows from the others by anybody who knows the rule."""

from collections.abc import Iterator
from functools import cache

import pytest

from services.replay.cells import Cell, Crossing, cell, crossing, is_small, least

Table = tuple[int, int, int, int]
"""Encounters that come above the threshold, that leave it, that stay above, that stay below."""


def test_the_least_cell_is_that_of_k_anonymity() -> None:
    assert least() == 5


@pytest.mark.parametrize(
    ("count", "total", "shown"),
    [(0, None, 0), (1, None, "<5"), (4, 4, "<5"), (5, None, 5), (5, 5, 5), (0, 3, "<5"), (8, 10, ">5"), (5, 10, 5)],
)
def test_a_count_and_its_rest_are_none_or_enough(count: int, total: int | None, shown: Cell) -> None:
    assert cell(count, total) == shown


def tables(total: int) -> Iterator[Table]:
    for newly in range(total + 1):
        for no_longer in range(total + 1 - newly):
            for above in range(total + 1 - newly - no_longer):
                yield newly, no_longer, above, total - newly - no_longer - above


def shown(table: Table) -> Crossing:
    newly, no_longer, above, _ = table
    return crossing(above + no_longer, newly, no_longer, sum(table))


@cache
def by_cells(total: int) -> dict[Crossing, list[Table]]:
    found: dict[Crossing, list[Table]] = {}
    for table in tables(total):
        found.setdefault(shown(table), []).append(table)
    return found


@pytest.mark.parametrize("total", [10, 17, 24])
def test_no_small_cell_can_be_computed_from_what_is_shown(total: int) -> None:
    checked = 0
    for alike in by_cells(total).values():
        for place in range(4):
            values = {table[place] for table in alike}
            checked += 1
            assert len(values) > 1 or not is_small(values.pop()), alike
    assert checked > 50


@pytest.mark.parametrize("total", [10, 24])
def test_what_is_large_is_shown(total: int) -> None:
    large = [table for table in tables(total) if all(count == 0 or count >= least() for count in table)]
    assert large
    for table in large:
        newly, no_longer, above, _ = table
        assert shown(table) == Crossing(above + no_longer, above + newly, newly, no_longer)
