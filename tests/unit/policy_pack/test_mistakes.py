"""Mistakes of a pull request, each of which the pack refuses, and legitimate changes, which it lets pass."""

from collections.abc import Mapping

import pytest

from tests.policy.attacks.judge import Judge, Outcome
from tests.policy.attacks.stacks import STACKS, attacked
from tests.policy.mistakes.change import GAPS, LEGITIMATE, families

pytestmark = pytest.mark.process

MISTAKES = [family for family in families() if family not in (LEGITIMATE, GAPS)]


@pytest.fixture(scope="module")
def judges() -> Mapping[str, Judge]:
    return {stack: Judge(attacked(stack)) for stack in STACKS}


def let_pass(family: str, judges: Mapping[str, Judge]) -> list[str]:
    """Return the mistakes of a family without a finding about what they change."""
    mutations = [(row, row.mutation(attacked(row.stack).target.base, family)) for row in families()[family]]
    judged = [(row.name, judges[row.stack].judge(mutation)) for row, mutation in mutations]
    return [name for name, one in judged if one.outcome is not Outcome.CAUGHT]


def test_the_unchanged_stacks_have_no_findings(judges: Mapping[str, Judge]) -> None:
    assert {stack: judge.unchanged for stack, judge in judges.items()} == {stack: [] for stack in STACKS}


@pytest.mark.parametrize("family", MISTAKES)
def test_each_mistake_is_refused(family: str, judges: Mapping[str, Judge]) -> None:
    assert let_pass(family, judges) == []


def test_legitimate_changes_pass(judges: Mapping[str, Judge]) -> None:
    rows = families()[LEGITIMATE]
    assert {row.stack for row in rows} == set(STACKS)
    for row in rows:
        refused = judges[row.stack].refused(row.mutation(attacked(row.stack).target.base, LEGITIMATE))
        assert [(row.name, result.control, result.text) for result in refused] == []


def test_what_is_known_to_pass_still_passes(judges: Mapping[str, Judge]) -> None:
    """A mistake that a change of the pack refuses from now on goes from the known gaps to its family."""
    assert let_pass(GAPS, judges) == [row.name for row in families()[GAPS]]
