"""ROC-AUC of a score, its bootstrap interval and that of the difference of two scores."""

import numpy as np
import numpy.typing as npt

from model.dataset.dataset import Floats
from model.metrics.ranking import Labels, Ranking
from model.metrics.resampling import Interval, Resamples


def roc_auc(scores: Floats, label: Labels) -> float:
    """Return the area under the ROC curve; NaN where all outcomes are the same.

    Examples
    --------
    >>> roc_auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """
    return float(Ranking(label, scores).tally(np.ones((1, len(label)))).roc_auc()[0])


def spread(scores: Floats, label: Labels, patient: npt.NDArray[np.str_], resamples: int) -> Interval:
    """Return the ROC-AUC with its interval from bootstrap draws of patients."""
    ranking = Ranking(label, scores)
    drawn = Resamples(patient, count=resamples).measure(lambda weights: {"": ranking.tally(weights).roc_auc()})
    return drawn.spread("")


def difference(one: Floats, other: Floats, label: Labels, patient: npt.NDArray[np.str_], resamples: int) -> Interval:
    """Return by how much ``one`` orders the rows better than ``other``, on the same draws of patients."""
    first, second = Ranking(label, one), Ranking(label, other)
    drawn = Resamples(patient, count=resamples).measure(
        lambda weights: {"": first.tally(weights).roc_auc() - second.tally(weights).roc_auc()}
    )
    return drawn.spread("")
