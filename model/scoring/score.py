"""Score of a discharge: risk, decision and the features that contribute most."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.scoring.contract import Floats
from model.scoring.feature import Feature

REASONS = 3
Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Reason:
    """Contribution of one feature to the log-odds, against the typical discharge of the training data.

    Attributes
    ----------
    feature, meaning : str
        Name of the feature, and its meaning for a clinician.
    value : float or str or None
        Value of the discharge; None for missing.
    direction : str
        ``raises`` or ``lowers``.
    contribution : float
        Contribution on the log-odds scale.
    text : str
        The reason as one sentence.

    Examples
    --------
    >>> from model import Reason
    >>> Reason("stay_days", "length of stay", 8.3, "raises", 0.4, "length of stay: 8.3 days, raises the risk").direction
    'raises'
    """

    feature: str
    meaning: str
    value: float | str | None
    direction: str
    contribution: float
    text: str


@dataclass(frozen=True, slots=True)
class Score:
    """Predicted risk of one discharge, decision and main reasons.

    Attributes
    ----------
    risk : float
        Risk of a readmission, a probability.
    decision, action : str
        Decision band of the risk, and its action.
    reasons : tuple of Reason
        Main contributions; none if every feature has its typical value.
    warnings : tuple of str
        Features outside the range of the training data.

    Examples
    --------
    >>> from model import Score
    >>> Score(risk=0.14, decision="medium", action="telephone call", reasons=(), warnings=()).decision
    'medium'
    """

    risk: float
    decision: str
    action: str
    reasons: tuple[Reason, ...]
    warnings: tuple[str, ...]


def strongest(contributions: Floats) -> Places:
    """Return the places of the largest contributions of each row; of equal ones the first."""
    sizes = np.abs(contributions)
    places = np.empty((len(sizes), min(REASONS, sizes.shape[1])), dtype=np.intp)
    rows = np.arange(len(sizes))
    for rank in range(places.shape[1]):
        places[:, rank] = sizes.argmax(axis=1)
        sizes[rows, places[:, rank]] = -1.0
    return places


def reason_of(feature: Feature, value: float, part: float) -> Reason:
    """Return a feature's value and contribution as they are shown."""
    shown, direction = feature.shown(value), "raises" if part > 0 else "lowers"
    plain: float | str = shown if feature.categories else round(value, 3)
    return Reason(
        feature=feature.name,
        meaning=feature.meaning,
        value=None if math.isnan(value) else plain,
        direction=direction,
        contribution=round(part, 4),
        text=f"{feature.meaning}: {shown}, {direction} the risk",
    )
