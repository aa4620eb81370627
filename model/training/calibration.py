"""Platt calibration: slope and intercept from cross-validated predictions."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from model.dataset.dataset import Floats

NO_PENALTY = 1e6


@dataclass(frozen=True)
class Calibration:
    """Slope and intercept on the log-odds (Platt 1999)."""

    slope: float
    intercept: float

    def risk(self, scores: Floats) -> Floats:
        """Return probabilities for a model's log-odds."""
        risks: Floats = 1 / (1 + np.exp(-(self.slope * scores + self.intercept)))
        return risks


def calibrate(scores: Floats, label: npt.NDArray[np.int64]) -> Calibration:
    """Fit the calibration on scores of patients that the model had not seen.

    Parameters
    ----------
    scores : array
        Log-odds, each from a model trained without that patient.
    label : array
        Their outcomes; both must occur.

    Notes
    -----
    Held-out scores that turn the order tell that nothing was learnt; they are not turned back, for the model that
    is kept was fitted on everybody. Then the scores are left alone, and the evaluation shows what they are worth.
    """
    spread = float(np.std(scores))
    if spread == 0:
        return Calibration(1.0, 0.0)
    middle = float(np.mean(scores))
    fitted = LogisticRegression(C=NO_PENALTY).fit((scores.reshape(-1, 1) - middle) / spread, label)
    slope = float(fitted.coef_[0, 0]) / spread
    if slope <= 0:
        return Calibration(1.0, 0.0)
    return Calibration(slope, float(fitted.intercept_[0]) - slope * middle)


def held_out_loss(scores: Floats, label: npt.NDArray[np.int64]) -> float:
    """Return the log loss of held-out scores after calibration: a class weight moves the scores, not the order."""
    return float(log_loss(label, calibrate(scores, label).risk(scores), labels=[0, 1]))
