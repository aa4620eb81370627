"""Curve points of the plots: ROC, precision-recall, and the distribution of risks."""

from typing import Any

import numpy as np

from model.dataset.dataset import Dataset, Floats
from model.metrics.figures import Curves, RiskDistribution
from model.metrics.ranking import Ranking

POINTS = 120
BARS = 30


def curves(test: Dataset, risk: Floats) -> Curves:
    """Return the points of the curves; nothing where the discharges have one outcome only.

    Returns
    -------
    Curves
        ``roc`` and ``lace_roc``: pairs of false and true positive rate; ``precision_recall``: pairs of sensitivity
        and precision; ``spread``: edges of equal bins of risk, and how many of each outcome lie in each.
    """
    finite = np.isfinite(test.baseline)
    edges = np.linspace(0, max(float(risk.max()), 0.01), BARS + 1)
    return Curves(
        roc=_roc(Ranking(test.label, risk)),
        lace_roc=_roc(Ranking(test.label[finite], test.baseline[finite])) if finite.any() else (),
        precision_recall=_precision_recall(Ranking(test.label, risk)),
        spread=RiskDistribution(
            edges=_rounded(edges),
            readmitted=tuple(np.histogram(risk[test.label == 1], edges)[0].tolist()),
            others=tuple(np.histogram(risk[test.label == 0], edges)[0].tolist()),
        ),
    )


def _roc(ranking: Ranking) -> tuple[tuple[float, ...], ...]:
    tally = ranking.tally(np.ones((1, len(ranking.score))))
    hits, false = tally.returned[0], tally.everyone[0] - tally.returned[0]
    if not hits[-1] or not false[-1]:
        return ()
    chosen = _some(len(hits))
    return tuple(_rounded(pair) for pair in np.column_stack([false / false[-1], hits / hits[-1]])[chosen])


def _precision_recall(ranking: Ranking) -> tuple[tuple[float, ...], ...]:
    tally = ranking.tally(np.ones((1, len(ranking.score))))
    hits, alerts = tally.returned[0, 1:], tally.everyone[0, 1:]
    if not len(hits) or not hits[-1]:
        return ()
    chosen = _some(len(hits))
    return tuple(_rounded(pair) for pair in np.column_stack([hits / hits[-1], hits / alerts])[chosen])


def _some(points: int) -> Any:
    return np.unique(np.linspace(0, points - 1, min(points, POINTS)).round().astype(int))


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
