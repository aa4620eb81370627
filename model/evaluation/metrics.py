"""Figures for a risk model, with intervals from resampling patients."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from model.dataset import Floats

Labels = npt.NDArray[np.int64]
Figure = Callable[[npt.NDArray[np.int64]], float]

RESAMPLES = 300
SEED = 20240501
BINS = 10
EDGE = 1e-6


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def interval(figure: Figure, label: Labels, patient: npt.NDArray[np.str_]) -> Interval | None:
    """Return a figure over rows, with an interval from drawing patients with replacement; nothing for one class.

    Parameters
    ----------
    figure : callable
        Gives the figure for some row numbers.
    label : array
        Outcomes, for leaving out draws with one class only.
    patient : array
        Whose row it is: rows of one patient are drawn together.
    """
    if len(np.unique(label)) < 2:
        return None
    chance = np.random.default_rng(SEED)
    _, place = np.unique(patient, return_inverse=True)
    order = np.argsort(place, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(place))[:-1])
    drawn = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([groups[i] for i in chance.integers(0, len(groups), len(groups))])
        if len(np.unique(label[rows])) == 2:
            drawn.append(figure(rows))
    everything = figure(np.arange(len(label)))
    if not drawn:
        return None
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(value=everything, low=float(low), high=float(high))


def roc_auc(label: Labels, score: Floats) -> float:
    """Return the area under the ROC curve, from ranks: a resampled interval asks for it hundreds of times."""
    positive = label == 1
    hits, misses = int(positive.sum()), int((~positive).sum())
    return float((rankdata(score)[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def pr_auc(label: Labels, score: Floats) -> float:
    """Return the average precision."""
    return float(average_precision_score(label, score))


def brier(label: Labels, risk: Floats) -> float:
    """Return the Brier score."""
    return float(np.mean((risk - label) ** 2))


def brier_skill(label: Labels, risk: Floats) -> float:
    """Return how much better than the mean risk for everybody; 0 is no better, 1 is perfect."""
    share = float(label.mean())
    return 1 - brier(label, risk) / (share * (1 - share))


def calibration(label: Labels, risk: Floats) -> dict[str, float]:
    """Return slope and intercept of the outcome on the predicted log-odds, and the expected calibration error."""
    safe = np.clip(risk, EDGE, 1 - EDGE)
    logit = np.log(safe / (1 - safe)).reshape(-1, 1)
    fitted = LogisticRegression(C=1e6).fit(logit, label)
    order = np.argsort(risk, kind="stable")
    parts = [rows for rows in np.array_split(order, BINS) if len(rows)]
    error = sum(len(rows) * abs(float(label[rows].mean()) - float(risk[rows].mean())) for rows in parts) / len(risk)
    return {"slope": float(fitted.coef_[0, 0]), "intercept": float(fitted.intercept_[0]), "ece": float(error)}


def at_threshold(label: Labels, risk: Floats, threshold: float) -> dict[str, float]:
    """Return what alerting at a threshold means."""
    alert = risk >= threshold
    hits = int((alert & (label == 1)).sum())
    return {
        "threshold": threshold,
        "alert_rate": float(alert.mean()),
        "sensitivity": hits / max(1, int(label.sum())),
        "precision": hits / max(1, int(alert.sum())),
    }
