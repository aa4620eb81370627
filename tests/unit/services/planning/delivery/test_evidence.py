"""Sequential tests: false alarms over a long time, faults that come late, and the stability index by hand."""

import numpy as np
import pytest

from services.planning.delivery.evidence import ChangeTest, block_level, critical_index, stability_index

LEVEL = 0.01


def test_healthy_traffic_is_hardly_ever_stopped_however_long_it_goes_on() -> None:
    generator = np.random.default_rng(1)
    alarms = 0
    for _ in range(500):
        test = ChangeTest(0.1, (0.2, 0.5), LEVEL)
        for marked in (generator.random(1000) < 0.1).tolist():
            test.observe(marked)
        alarms += test.exceeded
    # Of 500 with a probability of 0.01 each, more than 12 happen once in 500 times.
    assert alarms <= 12


@pytest.mark.parametrize("healthy", [0, 100, 10_000])
def test_a_fault_is_noticed_soon_after_a_long_healthy_time(healthy: int) -> None:
    test = ChangeTest(0.02, (0.05, 0.5, 0.9), 0.002)
    for _ in range(healthy):
        test.observe(False)
    before = test.exceeded
    for _ in range(10):
        test.observe(True)
    assert (before, test.exceeded) == (False, True)


def test_the_statistic_of_two_observations_by_hand() -> None:
    test = ChangeTest(0.25, (0.5,), LEVEL)
    test.observe(True)
    # Half of the weight is on a change at the first observation: 0.5 * 2, and the other half waits.
    assert test.evidence == pytest.approx(0.5 * 2 + 0.5)
    test.observe(False)
    assert test.evidence == pytest.approx((0.5 * 2 + 1 / 6) * (0.5 / 0.75) + 1 / 3)
    assert (test.observations, test.marked) == (2, 1)


def test_nothing_is_counted_after_the_limit_is_passed() -> None:
    test = ChangeTest(0.02, (0.9,), LEVEL)
    for _ in range(10):
        test.observe(True)
    assert test.exceeded
    assert test.observations < 10


def test_the_index_of_two_bins_by_hand() -> None:
    expected, actual = np.array([0.1] * 50 + [0.2] * 50), np.array([0.1] * 10 + [0.2] * 90)
    shares, others = np.array([50.5, 50.5]) / 101, np.array([10.5, 90.5]) / 101
    assert stability_index(expected, actual, 2) == pytest.approx(sum((others - shares) * np.log(others / shares)))


def test_equal_scores_are_in_one_bin() -> None:
    same = np.full(100, 0.1)
    assert stability_index(same, same, 10) == pytest.approx(0)


def test_scores_of_one_distribution_rarely_exceed_the_critical_index() -> None:
    generator = np.random.default_rng(2)
    critical = critical_index(400, 100, 10, LEVEL)
    drawn = (generator.beta(1.2, 9, 500) for _ in range(2000))
    exceeded = sum(stability_index(scores[:400], scores[400:], 10) > critical for scores in drawn)
    assert exceeded / 2000 < 1.6 * LEVEL


def test_the_levels_of_all_blocks_add_up() -> None:
    assert sum(block_level(LEVEL, number) for number in range(1, 100_000)) == pytest.approx(LEVEL, rel=1e-4)
