"""Permutation importance of the features, and the stability of coefficients."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata
from sklearn.pipeline import Pipeline

from model.dataset.dataset import Dataset, Floats
from model.dataset.prepared_columns import origins
from model.io.console import progress
from model.metrics.calibration import EDGE
from model.metrics.figures import FeatureImportance, Importance
from model.metrics.ranking import Labels
from model.metrics.resampling import Measured, Resamples
from model.metrics.roc_auc import roc_auc

ROWS = 5000
REPEATS = 3
DRAWS = 200
FIRST = 10
SEED = 20240502


def importance(pipeline: Pipeline, test: Dataset) -> tuple[Importance, float | None]:
    """Return the permutation importance of each feature on held-out discharges, and how stable it is.

    A feature's values are permuted among the discharges; what the model then loses is
    its importance (Breiman, Machine Learning 2001;45:5; Fisher, Rudin and Dominici, JMLR 2019;20:177). Features that
    tell the same share it.

    Parameters
    ----------
    pipeline : Pipeline
        The fitted model.
    test : Dataset
        Held-out discharges; at most ``ROWS`` of them are used.

    Returns
    -------
    Importance, float
        The features, and the mean rank correlation of their importance between draws of patients and all of them.
        No features and None where the discharges have one outcome only.
    """
    if len(np.unique(test.label)) < 2:
        return Importance(features=()), None
    part = test if len(test) <= ROWS else test.rows(np.sort(_chance().permutation(len(test))[:ROWS]))
    rises, drops = _losses(pipeline, part)
    drawn = Resamples(part.patient, count=DRAWS).measure(lambda weights: {"rise": (weights @ rises) / _total(weights)})
    return _ranked(pipeline, part.names, drawn, drops)


def _losses(pipeline: Pipeline, part: Dataset) -> tuple[Floats, Floats]:
    """Return how much each row's log loss rises without each feature (rows, features), and the AUC's drop."""
    chance, risk = _chance(), pipeline.predict_proba(part.values)[:, 1]
    whole, usual = roc_auc(risk, part.label), _log_loss(part.label, risk)
    rises, drops = np.zeros(part.values.shape), np.zeros(len(part.names))
    with progress("importance", len(part.names)) as advance:
        for place in range(len(part.names)):
            dealt = part.values.copy()
            # A feature with one value has nothing to deal.
            for _ in range(REPEATS if len(np.unique(part.values[:, place])) > 1 else 0):
                dealt[:, place] = chance.permutation(part.values[:, place])
                without = pipeline.predict_proba(dealt)[:, 1]
                rises[:, place] += (_log_loss(part.label, without) - usual) / REPEATS
                drops[place] += (whole - roc_auc(without, part.label)) / REPEATS
            advance(1)
    return rises, drops


def _ranked(
    pipeline: Pipeline, names: Sequence[str], drawn: Measured, drops: Floats
) -> tuple[Importance, float | None]:
    value, draws = np.asarray(drawn.value["rise"]), drawn.draws["rise"]
    weights = coefficients(pipeline, len(names))
    first = np.argsort(-draws, axis=1, kind="stable")[:, :FIRST]
    spreads = drawn.band("rise")
    features = tuple(
        FeatureImportance(
            feature=names[place],
            log_loss_rise=spreads[place],
            auc_drop=float(drops[place]),
            among_first=float((first == place).any(axis=1).mean()),
            helps=float((draws[:, place] > 0).mean()),
            coefficients=tuple(weights[place]),
        )
        for place in np.argsort(-value, kind="stable")
    )
    ranks, usual = rankdata(draws, axis=1), rankdata(value)
    correlations = [value for value in (_correlation(row, usual) for row in ranks) if np.isfinite(value)]
    return Importance(features=features), float(np.mean(correlations)) if correlations else None


def coefficients(pipeline: Pipeline, features: int) -> list[list[float]]:
    """Return for each feature its coefficients in a linear model (of its value, of its absence, of its levels).

    They are of the prepared columns: for a number, the log-odds for one standard deviation more. Empty for a model
    that has none.
    """
    draws: list[list[float]] = [[] for _ in range(features)]
    coefficient = getattr(pipeline.named_steps["model"], "coef_", None)
    if coefficient is not None:
        for place, weight in zip(origins(pipeline.named_steps["prepare"]), coefficient[0], strict=True):
            draws[place].append(float(weight))
    return draws


def _log_loss(label: Labels, risk: Floats) -> Floats:
    safe = np.clip(risk, EDGE, 1 - EDGE)
    return -np.log(np.where(label == 1, safe, 1 - safe))


def _total(weights: Floats) -> Floats:
    total: Floats = weights.sum(axis=1, keepdims=True)
    return total


def _correlation(one: Floats, other: Floats) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _chance() -> np.random.Generator:
    return np.random.default_rng(SEED)
