"""Model selection: tuning, cross-validation, calibration and the choice between candidates."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline

from model.dataset.columns import Column
from model.dataset.dataset import Dataset, Floats
from model.io.console import progress
from model.metrics import roc_auc
from model.training.boosting import Boosting
from model.training.calibration import Calibration, calibrate
from model.training.folds import folds
from model.training.linear import Linear
from model.training.settings import SelectionRule, settings


class Candidate(Protocol):
    """A candidate model."""

    name: str

    def tune(self, data: Dataset, columns: Sequence[Column]) -> dict[str, object]:
        """Return hyperparameters tuned by cross-validation on ``data``."""

    def fit(self, data: Dataset, columns: Sequence[Column], parameters: Mapping[str, object]) -> Pipeline:
        """Return a fitted pipeline of preprocessing (``prepare``) and ``model``."""

    def scores(self, pipeline: Pipeline, values: Floats) -> Floats:
        """Return uncalibrated log-odds, shape (n,)."""

    def calibrated(self, pipeline: Pipeline, calibration: Calibration) -> Pipeline:
        """Return the calibrated pipeline."""


CANDIDATES: tuple[Candidate, ...] = (Linear(), Boosting())


@dataclass(frozen=True)
class SelectedModel:
    """The selected model, with the cross-validated metrics of all candidates."""

    algorithm: str
    parameters: dict[str, Any]
    pipeline: Pipeline
    calibration: Calibration
    risks: Floats
    candidates: dict[str, Any]
    rule: str


def select_model(fit: Dataset, columns: Sequence[Column]) -> SelectedModel:
    """Cross-validate the candidates, select one by the rule, and fit it on all training rows.

    Raises
    ------
    GateError
        If too few patients have one outcome for cross-validation.
    """
    rule, few = settings().rule, int(fit.label.sum()) < settings().boosting.least_readmissions
    tried = [candidate for candidate in CANDIDATES if candidate.name == rule.simpler or not few]
    scores = {candidate.name: cross_validated_predictions(candidate, fit, columns) for candidate in tried}
    figures = {name: _figures(value, fit, rule) for name, value in scores.items()}
    kept = next(c for c in CANDIDATES if c.name == _kept(scores, figures, fit, rule))
    pipeline, parameters, calibration = finish(kept, fit, columns, scores[kept.name])
    figures[kept.name]["parameters"] = parameters
    return SelectedModel(
        algorithm=kept.name,
        parameters=parameters,
        pipeline=pipeline,
        calibration=calibration,
        risks=calibration.risk(scores[kept.name]),
        candidates=figures,
        rule=_rule_text(rule),
    )


def cross_validated_predictions(
    candidate: Candidate, data: Dataset, columns: Sequence[Column], *, parameters: dict[str, Any] | None = None
) -> Floats:
    """Return cross-validated predictions (log-odds), tuned and fitted without the row's patient.

    Parameters
    ----------
    candidate : Candidate
        The candidate model.
    data : Dataset
        The rows.
    columns : sequence of Column
        The columns of ``data.values``.
    parameters : dict, optional
        Hyperparameters to use instead of tuning inside each fold.
    """
    predictions = np.zeros(len(data))
    parts = list(folds(data))
    with progress(candidate.name, len(parts)) as advance:
        for rows, rest in parts:
            part = data.rows(rows)
            fitted = candidate.fit(part, columns, parameters or candidate.tune(part, columns))
            predictions[rest] = candidate.scores(fitted, data.values[rest])
            advance(1)
    return predictions


def finish(
    candidate: Candidate, data: Dataset, columns: Sequence[Column], scores: Floats
) -> tuple[Pipeline, dict[str, Any], Calibration]:
    """Return the pipeline tuned and fitted on all rows and calibrated on cross-validated predictions."""
    parameters, calibration = candidate.tune(data, columns), calibrate(scores, data.label)
    fitted = candidate.fit(data, columns, parameters)
    return candidate.calibrated(fitted, calibration), parameters, calibration


def _kept(scores: dict[str, Floats], figures: dict[str, Any], fit: Dataset, rule: SelectionRule) -> str:
    """Return the selected candidate's name, and record the differences of ROC-AUC."""
    kept, best = rule.simpler, rule.margin
    for name in scores.keys() - {rule.simpler}:
        gain = roc_auc.difference(scores[name], scores[rule.simpler], fit.label, fit.patient, rule.resamples)
        figures[name]["over_simpler"] = asdict(gain)
        if gain.low > best:
            kept, best = name, gain.low
    return kept


def _figures(scores: Floats, fit: Dataset, rule: SelectionRule) -> dict[str, Any]:
    risks = calibrate(scores, fit.label).risk(scores)
    return {
        "roc_auc": asdict(roc_auc.spread(scores, fit.label, fit.patient, rule.resamples)),
        "log_loss": float(log_loss(fit.label, risks)),
        "brier": float(np.mean((risks - fit.label) ** 2)),
    }


def _rule_text(rule: SelectionRule) -> str:
    return (
        f"{rule.simpler}, unless another has a ROC-AUC on held-out patients that is better by more than "
        f"{rule.margin:g} at the lower end of the 95 % interval of the difference (drawing patients); "
        f"trees are not tried with fewer than {settings().boosting.least_readmissions} readmissions to train on"
    )
