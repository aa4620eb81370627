"""Predicted risks with contributions of features, and the logistic function."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

EXACT = "exact: what the value adds to the log-odds, against the usual value"
OCCLUSION = "occlusion: change of the log-odds when the value is replaced by the usual one"


@dataclass(frozen=True)
class Explanation:
    """Predicted risks and feature contributions.

    Parameters
    ----------
    risk : array of shape (n,)
        Probabilities, as the pipeline's ``predict_proba`` gives them.
    contributions : array of shape (n, k)
        What each feature adds to the log-odds of each discharge; zero where it is as usual.
    baseline : float
        Log-odds of the usual discharge.
    """

    risk: Floats
    contributions: Floats
    baseline: float


class Explainer(Protocol):
    """Explainer of a model's predictions."""

    method: str

    def explain(self, values: Floats) -> Explanation:
        """Return risks of discharges, one a row, and what each feature adds."""
        ...


def probability(log_odds: Floats) -> Floats:
    """Return probabilities of log-odds, without overflow at any size."""
    small = np.exp(-np.abs(log_odds))
    found: Floats = np.where(log_odds >= 0, 1.0, small) / (1.0 + small)
    return found


def joined(parts: list[Explanation]) -> Explanation:
    """Return the explanations of consecutive rows as one."""
    if len(parts) == 1:
        return parts[0]
    return Explanation(
        np.concatenate([part.risk for part in parts]),
        np.concatenate([part.contributions for part in parts]),
        parts[0].baseline,
    )
