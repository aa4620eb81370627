"""Percentiles of waits, with intervals of a block bootstrap."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Blocks = Sequence[Sequence[float]]
"""Waits in milliseconds, of one second each: requests of the same second wait for the same things."""
DRAWS = 1000
LEVEL = 0.95


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile of values by the nearest rank.

    Raises
    ------
    ValueError
        If there are no values.
    """
    if not values:
        raise ValueError("no values")
    return float(np.percentile(values, percent, method="inverted_cdf"))


def interval(blocks: Blocks, percent: float, seed: int = 1) -> tuple[float, float]:
    """Return the 95 % interval of a percentile: whole blocks are drawn again, with replacement.

    Parameters
    ----------
    blocks
        Values of each block; empty ones do not count.
    percent
        Which percentile.

    Returns
    -------
    tuple of float
        Its 2.5th and its 97.5th percentile over the draws.

    Notes
    -----
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 8.6: values that depend on their neighbours
    are drawn in blocks.
    """
    drawn = _drawn(blocks, np.random.default_rng(seed))
    return _middle([percentile(drawn(), percent) for _ in range(DRAWS)])


def difference(first: Blocks, second: Blocks, percent: float, seed: int = 1) -> tuple[float, float, float]:
    """Return how much a percentile of the first exceeds that of the second, and its 95 % interval."""
    generator = np.random.default_rng(seed)
    one, other = _drawn(first, generator), _drawn(second, generator)
    low, high = _middle([percentile(one(), percent) - percentile(other(), percent) for _ in range(DRAWS)])
    return percentile(_joined(first), percent) - percentile(_joined(second), percent), low, high


def ratio(first: Blocks, second: Blocks, percent: float, seed: int = 1) -> tuple[float, float, float]:
    """Return how many times a percentile of the first is that of the second, and its 95 % interval."""
    generator = np.random.default_rng(seed)
    one, other = _drawn(first, generator), _drawn(second, generator)
    low, high = _middle([percentile(one(), percent) / percentile(other(), percent) for _ in range(DRAWS)])
    return percentile(_joined(first), percent) / percentile(_joined(second), percent), low, high


def _drawn(blocks: Blocks, generator: np.random.Generator) -> Callable[[], list[float]]:
    filled = [block for block in blocks if block]
    if not filled:
        raise ValueError("no values")
    return lambda: _joined([filled[place] for place in generator.integers(len(filled), size=len(filled))])


def _joined(blocks: Blocks) -> list[float]:
    return [value for block in blocks for value in block]


def _middle(values: Sequence[float]) -> tuple[float, float]:
    ends: NDArray[np.float64] = np.percentile(values, [50 * (1 - LEVEL), 100 - 50 * (1 - LEVEL)])
    return float(ends[0]), float(ends[1])
