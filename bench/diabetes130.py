"""Repeated cross-validation of the training code on a real table: ``python -m bench.diabetes130``."""

import sys
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import typer
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from bench.support.diabetes_table import dataset, derive, read
from bench.support.figures import Figure, Json, at_least, at_most, show
from model.dataset.columns import Column
from model.dataset.dataset import Dataset, Floats
from model.errors import UserError
from model.metrics import roc_auc
from model.training.boosting import Boosting
from model.training.calibration import calibrate
from model.training.folds import Numbers
from model.training.linear import Linear
from model.training.model_selection import Candidate, cross_validated_predictions

CANDIDATES: dict[str, Candidate] = {"logistic regression": Linear(), "gradient boosting": Boosting()}
BOTH = "average of both"
RESAMPLES = 300
LEAK = 0.70
SHUFFLED = {"C": 0.003, "bins": 5, "class_weight": None}


@dataclass(frozen=True)
class Part:
    """Held-out predictions of one fold."""

    repeat: int
    rows: Numbers
    risks: dict[str, Floats]


def main(
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of the cross-validation.")] = 5,
    folds: Annotated[int, typer.Option(min=2, help="Number of folds.")] = 5,
    processes: Annotated[int, typer.Option(min=1, help="Folds run in parallel.")] = 2,
    as_json: Json = False,
) -> None:
    """Tune, calibrate and fit inside each fold's training patients, and judge on the others: a quarter of an hour."""
    table = read()
    data, columns = dataset(table, derive(table))
    splits = [
        (repeat, rows, rest)
        for repeat in range(repeats)
        for rows, rest in GroupKFold(folds, shuffle=True, random_state=repeat).split(data.values, groups=data.patient)
    ]
    for _, rows, rest in splits:
        if set(data.patient[rows]) & set(data.patient[rest]):
            raise RuntimeError("A patient is on both sides of a split.")
    work = (delayed(_part)(data, columns, *each) for each in splits)
    parts: list[Part] = list(Parallel(n_jobs=processes)(work))
    figures = [figure for name in (*CANDIDATES, BOTH) for figure in _figures(name, data, parts)]
    best = max(_mean_auc(name, data, parts) for name in (*CANDIDATES, BOTH))
    better = max(_mean_auc(name, data, parts) for name in CANDIDATES)
    figures += [
        at_least("logistic regression: goal", _mean_auc("logistic regression", data, parts), 0.668, "ROC-AUC"),
        at_least("better of the two: goal", better, 0.672, "ROC-AUC"),
        at_most("best of all: above indicates leakage", best, LEAK, "ROC-AUC"),
        _shuffled(data, columns, splits[0]),
    ]
    about = {"encounters": len(data), "patients": data.patients, "columns": len(columns)}
    show("diabetes130", figures, as_json=as_json, about=about | {"repeats": repeats, "folds": folds})


def _part(data: Dataset, columns: tuple[Column, ...], repeat: int, rows: Numbers, rest: Numbers) -> Part:
    with threadpool_limits(limits=1):
        fit, risks = data.rows(rows), {}
        for name, candidate in CANDIDATES.items():
            parameters = candidate.tune(fit, columns)
            calibration = calibrate(
                cross_validated_predictions(candidate, fit, columns, parameters=parameters), fit.label
            )
            pipeline = candidate.calibrated(candidate.fit(fit, columns, parameters), calibration)
            risks[name] = pipeline.predict_proba(data.values[rest])[:, 1]
        risks[BOTH] = sum(risks.values()) / len(CANDIDATES)
    return Part(repeat, rest, risks)


def _mean_auc(name: str, data: Dataset, parts: list[Part]) -> float:
    return float(np.mean([roc_auc.roc_auc(part.risks[name], data.label[part.rows]) for part in parts]))


def _figures(name: str, data: Dataset, parts: list[Part]) -> list[Figure]:
    """Return a model's metrics: mean over all folds, with the bootstrap interval over patients of one repeat."""
    first = [part for part in parts if part.repeat == 0]
    rows = np.concatenate([part.rows for part in first])
    pooled = np.concatenate([part.risks[name] for part in first])
    spread = roc_auc.spread(pooled, data.label[rows], data.patient[rows], RESAMPLES)
    briers = [brier_score_loss(data.label[part.rows], part.risks[name]) for part in parts]
    areas = [average_precision_score(data.label[part.rows], part.risks[name]) for part in parts]
    slopes = [_slope(part.risks[name], data.label[part.rows]) for part in parts]
    slope = float(np.mean(slopes))
    return [
        Figure(f"{name}: ROC-AUC", _mean_auc(name, data, parts)),
        Figure(f"{name}: ROC-AUC, 95 % from", spread.low),
        Figure(f"{name}: ROC-AUC, 95 % to", spread.high),
        Figure(f"{name}: PR-AUC", float(np.mean(areas))),
        at_most(f"{name}: Brier", float(np.mean(briers)), 0.0967),
        Figure(f"{name}: calibration slope", slope, "", "0.9 to 1.1", 0.9 <= slope <= 1.1),
    ]


def _slope(risk: Floats, label: Any) -> float:
    logit = np.log(risk / (1 - risk)).reshape(-1, 1)
    return float(LogisticRegression(C=1e6).fit(logit, label).coef_[0, 0])


def _shuffled(data: Dataset, columns: tuple[Column, ...], split: tuple[int, Numbers, Numbers]) -> Figure:
    """Return the ROC-AUC on true outcomes of a model trained on shuffled ones: about 0.5 without leakage."""
    _, rows, rest = split
    fit = data.rows(rows)
    noise = np.random.default_rng(0).permutation(fit.label)
    shuffled = Dataset(**{**vars(fit), "label": noise})
    fitted = Linear().fit(shuffled, columns, SHUFFLED)
    value = roc_auc.roc_auc(fitted.decision_function(data.values[rest]), data.label[rest])
    return Figure("shuffled outcomes", value, "ROC-AUC", "0.45 to 0.55", 0.45 <= value <= 0.55)


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(2)
