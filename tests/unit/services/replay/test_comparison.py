"""Figures of a comparison, and what of them is withheld."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import UserError
from services.planning.delivery.evidence import stability_index
from services.replay.candidate import Pair
from services.replay.cells import WITHHELD
from services.replay.comparison import compare

RISKS = st.lists(st.floats(0.001, 0.999), min_size=5, max_size=80)


def pair(number: int, risk: float, candidate: float, threshold: float = 0.5) -> Pair:
    bands = ["high" if value >= threshold else "low" for value in (risk, candidate)]
    return Pair(f"v1-{number:08x}", risk, risk >= threshold, bands[0], candidate, candidate >= threshold, bands[1])


def pairs(risks: list[float], candidates: list[float]) -> list[Pair]:
    return [pair(number, *both) for number, both in enumerate(zip(risks, candidates, strict=True))]


@given(RISKS)
def test_a_candidate_that_scores_alike_changes_nothing(risks: list[float]) -> None:
    found = compare(pairs(risks, risks), 10)
    assert (found.risks.mean_difference, found.ranks.changed, found.workload.other_band) in [(0, 0, 0), (0, 0, "<5")]
    assert found.workload.replaced == 0
    assert found.workload.threshold.recorded == found.workload.threshold.candidate or (
        found.workload.threshold.candidate == WITHHELD
    )


@given(RISKS, st.floats(0.1, 0.9))
def test_the_same_order_has_the_same_ranks(risks: list[float], factor: float) -> None:
    distinct = sorted(set(np.round(risks, 6)))
    if len(distinct) >= 5:
        found = compare(pairs(distinct, [risk * factor for risk in distinct]), 5)
        assert (found.ranks.changed, found.workload.replaced) == (0, 0)


def test_figures_of_a_shift() -> None:
    risks = [number / 100 for number in range(100)]
    candidates = [min(risk + 0.1, 0.995) for risk in risks[:90]] + [risk - 0.9 for risk in risks[90:]]
    found = compare(pairs(risks, candidates), 20)
    assert found.encounters == 100
    # 40 to 49 come above 0.5; the last ten, of the highest risks, leave it.
    threshold = found.workload.threshold
    assert (threshold.recorded, threshold.candidate) == (50, 50)
    assert (threshold.newly_above, threshold.no_longer_above, found.workload.other_band) == (10, 10, 20)
    assert (found.workload.capacity, found.workload.replaced) == (20, 10)
    assert found.ranks.changed == 100
    assert found.ranks.median_change == 10
    assert found.ranks.change_95 == 90
    assert found.risks.mean_difference == pytest.approx(0.18)
    assert found.risks.median_difference == pytest.approx(0.1)
    index = stability_index(np.array(risks), np.array(candidates), 10)
    assert found.risks.stability_index == index
    assert found.risks.major_shift == 0.25


def test_equal_risks_share_a_place() -> None:
    found = compare(pairs([0.9] * 5 + [0.2] * 5, [0.8] * 5 + [0.3] * 5), 5)
    assert (found.ranks.changed, found.workload.replaced) == (0, 0)
    assert compare(pairs([0.9] * 5, [0.1, 0.2, 0.3, 0.4, 0.45]), 5).ranks.correlation is None


def test_small_counts_and_edges_of_few_are_withheld() -> None:
    risks = [number / 40 for number in range(40)]
    candidates = [0.55, *risks[1:]]
    found = compare(pairs(risks, candidates), 15)
    threshold = found.workload.threshold
    assert (threshold.recorded, threshold.candidate) == (20, WITHHELD)
    assert (threshold.newly_above, threshold.no_longer_above, found.workload.other_band) == ("<5", "<5", "<5")
    assert found.workload.replaced == 0
    assert found.risks.stability_index is None
    assert found.risks.difference_95 is None
    assert found.risks.median_difference == 0
    assert [value is None for value in found.risks.tenths_recorded] == [True, *[False] * 7, True]
    few = compare(pairs(risks, candidates), 3)
    assert (few.workload.capacity, few.workload.replaced) == (3, "<5")


def test_fewer_encounters_than_the_least_cell_are_not_compared() -> None:
    risks = [0.1, 0.2, 0.3, 0.4]
    with pytest.raises(UserError, match="Fewer than 5 encounters"):
        compare(pairs(risks, risks), 10)


def test_the_order_of_the_pairs_says_nothing() -> None:
    generator = np.random.default_rng(5)
    made = pairs(generator.random(60).round(1).tolist(), generator.random(60).round(1).tolist())
    shuffled = [made[place] for place in generator.permutation(60)]
    first, second = compare(made, 17), compare(shuffled, 17)
    assert replace(first, risks=second.risks, ranks=second.ranks) == second
    assert first.ranks.changed == second.ranks.changed
