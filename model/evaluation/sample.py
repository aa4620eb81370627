"""Sample of discharges with risks, and all metrics computed from it in one pass over the bootstrap draws."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from model.dataset.dataset import Floats
from model.metrics.calibration import EDGE, Calibration
from model.metrics.figure_names import AT_THRESHOLD, CALIBRATION, PLAIN
from model.metrics.figure_parts import (
    AlertFigures,
    AlertIntervals,
    CalibrationBin,
    CalibrationFigures,
    CalibrationIntervals,
    Spread,
)
from model.metrics.ranking import Labels, Ranking, Tally, ratio
from model.metrics.resampling import Measured
from model.metrics.thresholds import at, net_benefit, treat_all


class Sample:
    """Outcomes and risks of the same discharges.

    Parameters
    ----------
    label : array (rows,)
        1 where the patient came back.
    risk : array (rows,)
        The predicted probability.
    bands : dict of float
        The thresholds to alert from, by name.
    """

    def __init__(self, label: Labels, risk: Floats, bands: Mapping[str, float]) -> None:
        self.ranking = Ranking(label, risk)
        self.bands = dict(bands)
        self._calibration = Calibration(self.ranking)
        self._places = self.ranking.places(list(bands.values()))
        safe = np.clip(risk, EDGE, 1 - EDGE)
        self._losses = np.column_stack([(risk - label) ** 2, -np.log(np.where(label == 1, safe, 1 - safe))])

    def measure(self, weights: Floats) -> dict[str, Floats]:
        """Return the figures for each draw's weights (draws, rows)."""
        return self.counted(weights, self.ranking.tally(weights))

    def counted(self, weights: Floats, tally: Tally) -> dict[str, Floats]:
        """Return the figures where the tally is there already."""
        brier, log_loss = ratio(weights @ self._losses, tally.total[:, None]).T
        prevalence = ratio(tally.cases, tally.total)
        values = {
            "roc_auc": tally.roc_auc(),
            "pr_auc": tally.pr_auc(),
            "brier": brier,
            "brier_skill": 1 - ratio(brier, prevalence * (1 - prevalence)),
            "log_loss": log_loss,
            **self._calibration.measure(tally),
        }
        benefits = net_benefit(tally, self._places, list(self.bands.values()))
        default = treat_all(tally, list(self.bands.values()))
        for i, name in enumerate(self.bands):
            values |= {f"{name}:{figure}": value for figure, value in at(tally, int(self._places[i])).items()}
            values[f"{name}:net_benefit"] = benefits[:, i]
            values[f"{name}:over_all"] = benefits[:, i] - default[:, i]
            values[f"{name}:over_default"] = benefits[:, i] - np.maximum(default[:, i], 0)
        return values


def plain(measured: Measured) -> dict[str, Spread | None]:
    """Return the figures of discrimination and of error, each with its interval."""
    return {name: measured.interval(name) for name in PLAIN}


def calibration(measured: Measured) -> CalibrationFigures | None:
    """Return what was found of the calibration, or nothing where the sample cannot tell it."""
    intervals = {name: measured.interval(name) for name in CALIBRATION}
    values = {name: interval.value for name, interval in intervals.items() if interval}
    if len(values) < len(CALIBRATION):
        return None
    rows = zip(
        measured.value["bin_risk"],
        measured.value["bin_observed"],
        measured.value["bin_discharges"],
        measured.band("bin_observed"),
        strict=True,
    )
    bins = [
        CalibrationBin(risk=float(risk), observed=float(observed), discharges=int(size), interval=spread)
        for risk, observed, size, spread in rows
    ]
    return CalibrationFigures(**values, intervals=CalibrationIntervals(**intervals), bins=tuple(bins))


def at_band(measured: Measured, name: str, threshold: float) -> AlertFigures:
    """Return what alerting from a threshold means; a figure that is undefined is null."""
    intervals = {figure: measured.interval(f"{name}:{figure}") for figure in AT_THRESHOLD}
    values = {figure: number(measured.value[f"{name}:{figure}"]) for figure in AT_THRESHOLD}
    return AlertFigures(threshold=threshold, **values, intervals=AlertIntervals(**intervals))


def number(value: Any) -> float | None:
    """Return a plain number, or nothing where it is undefined."""
    return float(value) if np.isfinite(value) else None
