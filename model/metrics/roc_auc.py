"""ROC-AUC of held-out scores, its interval and that of a difference, from drawing patients with replacement."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model.dataset.dataset import Floats

SEED = 20240501


@dataclass(frozen=True)
class Spread:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class WeightedAuc:
    """ROC-AUC of one set of scores for any weights of the rows: sorted once, asked hundreds of times."""

    def __init__(self, scores: Floats, label: npt.NDArray[np.int64]) -> None:
        self._order = np.argsort(scores, kind="stable")
        ordered = scores[self._order]
        self._starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self._positive = label[self._order] == 1

    def __call__(self, weights: Floats) -> float:
        """Return the area; ties count half."""
        drawn = weights[self._order]
        hits = np.add.reduceat(np.where(self._positive, drawn, 0.0), self._starts)
        misses = np.add.reduceat(np.where(self._positive, 0.0, drawn), self._starts)
        below = np.cumsum(misses) - misses / 2
        return float((hits * below).sum() / (hits.sum() * misses.sum()))


def roc_auc(scores: Floats, label: npt.NDArray[np.int64]) -> float:
    """Return the area under the ROC curve."""
    return WeightedAuc(scores, label)(np.ones(len(label)))


def draws(patient: npt.NDArray[Any], resamples: int) -> Iterator[Floats]:
    """Give row weights for each draw of patients: how often the row's patient was drawn."""
    chance = np.random.default_rng(SEED)
    unique, place = np.unique(patient, return_inverse=True)
    for _ in range(resamples):
        taken = np.bincount(chance.integers(0, len(unique), len(unique)), minlength=len(unique))
        yield taken[place].astype(np.float64)


def spread(scores: Floats, label: npt.NDArray[np.int64], patient: npt.NDArray[Any], resamples: int) -> Spread:
    """Return the ROC-AUC with its interval."""
    area = WeightedAuc(scores, label)
    return _spread(area(np.ones(len(label))), [area(w) for w in draws(patient, resamples) if _both(w, label)])


def difference(
    one: Floats, other: Floats, label: npt.NDArray[np.int64], patient: npt.NDArray[Any], resamples: int
) -> Spread:
    """Return by how much ``one`` orders the rows better than ``other``, on the same draws."""
    first, second = WeightedAuc(one, label), WeightedAuc(other, label)
    everybody = np.ones(len(label))
    drawn = [first(w) - second(w) for w in draws(patient, resamples) if _both(w, label)]
    return _spread(first(everybody) - second(everybody), drawn)


def _both(weights: Floats, label: npt.NDArray[np.int64]) -> bool:
    hits = float((weights * label).sum())
    return 0 < hits < float(weights.sum())


def _spread(value: float, drawn: list[float]) -> Spread:
    low, high = np.percentile(drawn, [2.5, 97.5]) if drawn else (value, value)
    return Spread(value, float(low), float(high))
