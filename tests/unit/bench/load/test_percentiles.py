import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.percentiles import difference, interval, percentile, ratio

WAITS = st.floats(0, 1e4)


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(one) for one in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (50, 99, 100)
    assert percentile([7.0], 99) == 7


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)
    with pytest.raises(ValueError, match="no values"):
        interval([[], []], 50)


@given(st.lists(st.lists(WAITS, min_size=1, max_size=5), min_size=1, max_size=5), st.sampled_from([50.0, 99.0]))
def test_an_interval_is_within_the_values(blocks: list[list[float]], percent: float) -> None:
    values = [one for block in blocks for one in block]
    low, high = interval(blocks, percent)
    assert min(values) <= low <= high <= max(values)


def test_seconds_that_differ_widen_the_interval_and_more_requests_of_the_same_second_do_not_narrow_it() -> None:
    slow, fast = [[10.0] * 100, [30.0] * 100] * 3, [[20.0] * 100] * 6
    assert interval(fast, 50) == (20, 20)
    assert interval(slow, 50) == interval([block * 10 for block in slow], 50) == (10, 30)


def test_a_ratio_is_of_the_first_to_the_second() -> None:
    value, low, high = ratio([[12.0, 13.0], [14.0]], [[2.0, 3.0], [4.0]], 50)
    assert value == 13 / 3
    assert 3 <= low <= value <= high <= 7


def test_a_difference_has_the_sign_of_the_first() -> None:
    value, low, high = difference([[12.0, 13.0], [14.0]], [[2.0, 3.0], [4.0]], 50)
    assert value == 10
    assert 8 <= low <= value <= high <= 12
