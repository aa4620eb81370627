"""Tune, hold out, calibrate: from the training rows to the model that is kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline

from model.console import progress
from model.dataset import Dataset, Floats
from model.errors import GateError
from model.training.calibration import Calibration, calibrate
from model.training.columns import Column
from model.training.linear import Linear
from model.training.settings import settings

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Chosen:
    """The model that is kept, and how it came about."""

    algorithm: str
    parameters: dict[str, Any]
    pipeline: Pipeline
    calibration: Calibration
    risks: Floats
    candidates: dict[str, Any]
    rule: str


def choose(fit: Dataset, columns: Sequence[Column]) -> Chosen:
    """Tune and calibrate on held-out patients, and fit on all of the training rows.

    Raises
    ------
    GateError
        When the outcomes lie with too few patients to hold some out.
    """
    candidate = Linear()
    parts = list(folds(fit))
    held_out = np.zeros(len(fit))
    with progress("folds", len(parts)) as advance:
        for rows, rest in parts:
            part = fit.rows(rows)
            fitted = candidate.fit(part, columns, tuned(candidate, part, columns))
            held_out[rest] = candidate.scores(fitted, fit.values[rest])
            advance(1)
    calibration = calibrate(held_out, fit.label)
    parameters = tuned(candidate, fit, columns)
    pipeline = candidate.calibrated(candidate.fit(fit, columns, parameters), calibration)
    risks = calibration.risk(held_out)
    figures = {"roc_auc": float(roc_auc_score(fit.label, risks)), "log_loss": float(log_loss(fit.label, risks))}
    return Chosen(
        algorithm=candidate.name,
        parameters=parameters,
        pipeline=pipeline,
        calibration=calibration,
        risks=risks,
        candidates={candidate.name: figures | {"parameters": parameters}},
        rule="one candidate",
    )


def tuned(candidate: Linear, data: Dataset, columns: Sequence[Column]) -> dict[str, Any]:
    """Return the parameters with the least log loss on patients held out of ``data``."""
    parts = list(folds(data))
    losses = []
    for parameters in candidate.grid():
        held_out = np.zeros(len(data))
        for rows, rest in parts:
            fitted = candidate.fit(data.rows(rows), columns, parameters)
            held_out[rest] = candidate.scores(fitted, data.values[rest])
        losses.append(float(log_loss(data.label, expit(held_out), labels=[0, 1])))
    return candidate.grid()[int(np.argmin(losses))]


def folds(data: Dataset) -> Iterator[tuple[Numbers, Numbers]]:
    """Give the rows to fit on and the rows of the patients held out, for each fold."""
    for rows, rest in GroupKFold(n_splits=settings().folds).split(data.values, data.label, groups=data.patient):
        if len(np.unique(data.label[rows])) < 2:
            raise GateError("The readmissions lie with too few patients to hold some out; bring more data.")
        yield rows, rest
