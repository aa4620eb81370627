"""Sequential tests of a canary: their result may be looked at after each observation, as often as one likes.

The probability that a test of healthy traffic ever exceeds its limit, however long it goes on, is at most its level
(Ville's inequality: Ville, Étude critique de la notion de collectif, 1939; see Ramdas, Grünwald, Vovk and Shafer,
Game-theoretic statistics and safe anytime-valid inference, Statistical Science 38(4), 2023).
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

Floats = npt.NDArray[np.float64]
SMOOTHING = 0.5
"""Added to each count, so that an empty bin has a logarithm."""


class ChangeTest:
    """Test of whether a share has risen above what is tolerated, from some observation on that nobody knows.

    For each alternative share and each observation at which the change may have happened there is a likelihood ratio
    against the tolerated share. Their weighted sum is computed by a recursion, as Shiryaev's and Roberts' statistic is
    (Roberts, A comparison of some control chart procedures, Technometrics 8(3), 1966); the weights 1 / (n (n + 1)) of
    the observations add up to at most 1. So a fault after a long healthy time is noticed after few observations.

    Parameters
    ----------
    tolerated : float
        The greatest share that is healthy.
    alternatives : sequence of float
        Shares above it, which weigh the same.
    level : float
        Greatest probability of a false alarm, ever.
    """

    def __init__(self, tolerated: float, alternatives: Sequence[float], level: float) -> None:
        self.level, self.observations, self.marked = level, 0, 0
        self.exceeded = False
        self._ratios = [(share / tolerated, (1 - share) / (1 - tolerated)) for share in alternatives]
        self._sums = [0.0] * len(alternatives)

    def observe(self, marked: bool) -> None:
        """Take an observation: whether it is one of those whose share is tested; nothing after the limit is passed."""
        if self.exceeded:
            return
        self.observations += 1
        self.marked += marked
        weight = 1 / (self.observations * (self.observations + 1) * len(self._sums))
        self._sums = [
            (total + weight) * (up if marked else down)
            for total, (up, down) in zip(self._sums, self._ratios, strict=True)
        ]
        self.exceeded = self.evidence >= 1 / self.level

    @property
    def evidence(self) -> float:
        """The statistic; what has not been weighted yet counts as 1."""
        return sum(self._sums) + 1 / (self.observations + 1)


def stability_index(expected: Floats, actual: Floats, bins: int) -> float:
    """Return the population stability index (PSI) of scores against expected ones.

    Parameters
    ----------
    expected, actual : ndarray of float, shape (m,) and (n,)
        Scores.
    bins : int
        Bins of equal numbers of the expected scores; equal scores are in one bin, so there may be fewer.
    """
    share, other = (_shares(scores, _edges(expected, bins)) for scores in (expected, actual))
    return float(np.sum((other - share) * np.log(other / share)))


def critical_index(m: int, n: int, bins: int, level: float) -> float:
    """Return the index that scores of one distribution exceed with a probability of ``level``.

    Its distribution is about that of (1/m + 1/n) times a chi-squared variable with a degree of freedom fewer than bins
    (Yurdakul and Naranjo, Statistical properties of the population stability index, Journal of Risk Model Validation
    14(4), 2020).
    """
    return float((1 / m + 1 / n) * chi2.isf(level, bins - 1))


def block_level(level: float, number: int) -> float:
    """Return the level of one of any number of tests, counted from 1, whose levels add up to ``level``."""
    return level * 6 / (math.pi * number) ** 2


def _edges(expected: Floats, bins: int) -> Floats:
    return np.unique(np.quantile(expected, np.arange(1, bins) / bins))


def _shares(scores: Floats, edges: Floats) -> Floats:
    counts = np.bincount(np.searchsorted(edges, scores, side="left"), minlength=len(edges) + 1) + SMOOTHING
    return np.asarray(counts / counts.sum(), dtype=np.float64)
