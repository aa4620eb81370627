"""Threshold metrics and net benefit."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model.dataset.dataset import Floats
from model.metrics.ranking import Ranking, Tally, ratio

LACE_HIGH = 10.0
_POINTS = 50


def at(tally: Tally, place: int) -> dict[str, Floats]:
    """Return the figures of alerting for every discharge down to a place of a tally; each (draws,)."""
    hits, alerts = tally.returned[:, place], tally.everyone[:, place]
    quiet = tally.total - alerts
    return {
        "alert_rate": ratio(alerts, tally.total),
        "sensitivity": ratio(hits, tally.cases),
        "specificity": ratio(quiet - (tally.cases - hits), tally.total - tally.cases),
        "precision": ratio(hits, alerts),
        "npv": ratio(quiet - (tally.cases - hits), quiet),
        "f1": ratio(2 * hits, alerts + tally.cases),
    }


def net_benefit(tally: Tally, places: npt.NDArray[np.int64], thresholds: npt.ArrayLike) -> Floats:
    """Return the net benefit of alerting down to each place, where each threshold is what one is ready to alert at.

    True alerts a discharge, less the false ones at the odds of the threshold: who acts from a risk of 20 % holds one
    missed readmission to be as bad as four needless visits (Vickers and Elkin, Med Decis Making 2006;26:565).

    Returns
    -------
    array (draws, len(places))
    """
    odds = _odds(thresholds)
    hits, alerts = tally.returned[:, places], tally.everyone[:, places]
    return ratio(hits - (alerts - hits) * odds, np.broadcast_to(tally.total[:, None], hits.shape))


def treat_all(tally: Tally, thresholds: npt.ArrayLike) -> Floats:
    """Return the net benefit of acting on everybody (draws, thresholds)."""
    prevalence = ratio(tally.cases, tally.total)[:, None]
    return prevalence - (1 - prevalence) * _odds(thresholds)


def sweep(prevalence: float, named: Sequence[float]) -> Floats:
    """Return the thresholds of a decision curve: from 1 % to beyond the named ones and thrice the prevalence."""
    top = float(np.clip(max(3 * prevalence, *(1.25 * t for t in named), 0.3), 0.05, 0.99))
    return np.linspace(0.01, top, _POINTS)


def lace_place(ranking: Ranking) -> int:
    """Return the place of LACE's published limit: 10 and more is high risk (van Walraven, CMAJ 2010;182:551)."""
    return int(ranking.places(LACE_HIGH))


def _odds(thresholds: npt.ArrayLike) -> Floats:
    chance = np.asarray(thresholds, dtype=np.float64)
    odds: Floats = chance / (1 - chance)
    return odds
