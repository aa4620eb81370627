"""Ranking of discharges by score, the basis of discrimination metrics, for many draws at once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.dataset.dataset import Floats

Labels = npt.NDArray[np.int64]


class Ranking:
    """Rows from the highest score to the lowest, equal scores together.

    Parameters
    ----------
    label : array (rows,)
        1 where the patient came back.
    score : array (rows,)
        The higher, the more at risk.
    """

    def __init__(self, label: Labels, score: Floats) -> None:
        self.order = np.argsort(-score, kind="stable")
        self.score = score[self.order]
        self._label = label[self.order].astype(np.float64)
        self.ends = np.flatnonzero(np.r_[self.score[1:] != self.score[:-1], True]) if len(score) else np.empty(0, int)

    def tally(self, weights: Floats) -> "Tally":
        """Count readmissions and discharges down to each distinct score, for weights (draws, rows)."""
        sorted_weights = weights[:, self.order]
        everyone = np.cumsum(sorted_weights, axis=1)[:, self.ends]
        sorted_weights *= self._label
        returned = np.cumsum(sorted_weights, axis=1)[:, self.ends]
        start = np.zeros((len(weights), 1))
        return Tally(returned=np.hstack([start, returned]), everyone=np.hstack([start, everyone]))

    def places(self, thresholds: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return how many distinct scores reach each threshold: a place in a tally."""
        distinct = -self.score[self.ends]
        positions: npt.NDArray[np.int64] = np.searchsorted(distinct, -np.asarray(thresholds), side="right")
        return positions


@dataclass(frozen=True)
class Tally:
    """Cumulated counts, each (draws, 1 + distinct scores): how many came back, and how many there are."""

    returned: Floats
    everyone: Floats

    @property
    def cases(self) -> Floats:
        """Readmissions of each draw."""
        cases: Floats = self.returned[:, -1]
        return cases

    @property
    def total(self) -> Floats:
        """Discharges of each draw."""
        total: Floats = self.everyone[:, -1]
        return total

    def roc_auc(self) -> Floats:
        """Return the area under the ROC curve, equal scores counting half (Hanley and McNeil 1982)."""
        others = self.everyone - self.returned
        middle = (self.returned[:, 1:] + self.returned[:, :-1]) / 2
        return ratio((np.diff(others, axis=1) * middle).sum(axis=1), self.cases * others[:, -1])

    def pr_auc(self) -> Floats:
        """Return the average precision: the mean of the precision, weighted by the gain in sensitivity."""
        precision = self.returned[:, 1:] / np.maximum(self.everyone[:, 1:], 1e-300)
        return ratio((np.diff(self.returned, axis=1) * precision).sum(axis=1), self.cases)

    def between(self, places: npt.NDArray[np.integer]) -> tuple[Floats, Floats]:
        """Return readmissions and discharges between each place and the next, each (draws, len(places) - 1)."""
        return np.diff(self.returned[:, places], axis=1), np.diff(self.everyone[:, places], axis=1)


def ratio(part: Floats, whole: Floats) -> Floats:
    """Return a quotient, NaN where there is nothing to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole != 0, part / whole, np.nan)
