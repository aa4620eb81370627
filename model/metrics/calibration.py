"""Calibration: slope, intercept, expected calibration error and curve.

Slope and intercept are those of Cox's recalibration (Cox, Biometrika 1958;45:562; Van Calster et al., BMC Medicine
2019;17:230): the slope of the outcome on the predicted log-odds, and the calibration in the large, which is the
intercept when the slope is held at 1. A slope below 1 says that risks are too extreme, an intercept above 0 that
they are too low.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from model.dataset.dataset import Floats
from model.metrics.ranking import Ranking, Tally, ratio

BINS = 10
EDGE = 1e-6
_FINE = 1000
_STEPS = 50
_CLOSE = 1e-9
_WILD = 20.0


class Calibration:
    """The bins in which calibration is counted.

    Draws differ in how often they hold a bin, not in what lies in it: a regression on a thousand bins of nearly equal
    risk is the regression on the rows, and as fast for a hundred thousand of them. Up to a thousand distinct risks
    it is exact.

    Parameters
    ----------
    ranking : Ranking
        The discharges by risk.
    """

    def __init__(self, ranking: Ranking) -> None:
        self._fine = _cuts(ranking, _FINE)
        self._coarse = _cuts(ranking, BINS)
        risks = np.clip(ranking.score, EDGE, 1 - EDGE)
        rows = np.r_[0, ranking.ends + 1][self._fine]
        sizes = np.maximum(np.diff(rows), 1)
        self._logit: Floats = np.add.reduceat(logit(risks), rows[:-1]) / sizes
        self._risk: Floats = np.add.reduceat(ranking.score, rows[:-1]) / sizes
        self._firsts = np.searchsorted(self._fine[:-1], self._coarse[:-1])

    def measure(self, tally: Tally) -> dict[str, Floats]:
        """Return slope, intercept, ece, observed less predicted (draws,), and both by bin (draws, bins)."""
        returned, everyone = tally.between(self._fine)
        expected = everyone * self._risk
        coarse_returned, coarse_everyone = tally.between(self._coarse)
        coarse_expected = np.add.reduceat(expected, self._firsts, axis=1)
        error = np.abs(coarse_returned - coarse_expected).sum(axis=1)
        return {
            "slope": self._slope(returned, everyone),
            "intercept": self._intercept(returned, everyone),
            "ece": ratio(error, tally.total),
            "excess": ratio(tally.cases - expected.sum(axis=1), tally.total),
            "bin_risk": ratio(coarse_expected, coarse_everyone),
            "bin_observed": ratio(coarse_returned, coarse_everyone),
            "bin_discharges": coarse_everyone,
        }

    def _intercept(self, returned: Floats, everyone: Floats) -> Floats:
        """Solve for the shift of the log-odds that makes the mean risk true; Newton, one unknown a draw."""
        shift = np.zeros(len(returned))
        for _ in range(_STEPS):
            chance = expit(self._logit + shift[:, None])
            slope = (everyone * chance * (1 - chance)).sum(axis=1)
            step = ratio((returned - everyone * chance).sum(axis=1), slope)
            shift = shift + np.clip(step, -1, 1)
            if not np.nanmax(np.abs(step), initial=0.0) > _CLOSE:
                break
        return _tame(shift, returned, everyone)

    def _slope(self, returned: Floats, everyone: Floats) -> Floats:
        """Fit the outcome on the log-odds; Newton, two unknowns a draw."""
        if np.ptp(self._logit) < _CLOSE:
            return np.full(len(returned), np.nan)
        start, shift, slope = self._logit, np.zeros(len(returned)), np.ones(len(returned))
        for _ in range(_STEPS):
            chance = expit(shift[:, None] + slope[:, None] * start)
            weight, left = everyone * chance * (1 - chance), returned - everyone * chance
            a, b, c = weight.sum(axis=1), weight @ start, weight @ start**2
            g, h = left.sum(axis=1), left @ start
            size = a * c - b * b
            step_shift, step_slope = ratio(c * g - b * h, size), ratio(a * h - b * g, size)
            shift, slope = shift + np.clip(step_shift, -2, 2), slope + np.clip(step_slope, -2, 2)
            if not np.nanmax(np.abs([step_shift, step_slope]), initial=0.0) > _CLOSE:
                break
        return _tame(slope, returned, everyone)


def _cuts(ranking: Ranking, bins: int) -> npt.NDArray[np.int64]:
    """Return the places that part a tally into bins of equally many rows; equal risks stay together."""
    rows = np.r_[0, ranking.ends + 1]
    wanted = np.linspace(0, rows[-1], bins + 1)
    return np.unique(np.searchsorted(rows, wanted - 0.5).clip(0, len(rows) - 1))


def _tame(found: Floats, returned: Floats, everyone: Floats) -> Floats:
    """Leave undefined what a draw cannot tell: one outcome only, or outcomes that the risks part without fault."""
    cases, total = returned.sum(axis=1), everyone.sum(axis=1)
    estimable = (cases > 0) & (cases < total) & (np.abs(found) < _WILD)
    return np.where(estimable, found, np.nan)
