"""Logistic regression: penalised, tuned, with the calibration in its coefficients."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler

from model.dataset.columns import Column, places
from model.dataset.dataset import Dataset, Floats
from model.training.calibration import Calibration, held_out_loss
from model.training.folds import tuning_folds
from model.training.settings import settings

ITERATIONS = 2000
TOLERANCE = 1e-3
MISSING = -1.0


class Linear:
    """Logistic regression candidate."""

    name = "logistic-regression"

    def tune(self, data: Dataset, columns: Sequence[Column]) -> dict[str, object]:
        """Return the hyperparameters of the least cross-validated log loss, tuned one after another."""
        grid, parts = settings().linear, tuning_folds(data)
        steps: dict[str, Sequence[object]] = {
            "C": grid.penalties,
            "bins": grid.bins,
            "class_weight": grid.class_weights,
        }
        best = {name: values[0] for name, values in steps.items()}
        least = self._loss(data, columns, best, parts)
        for name, values in steps.items():
            for trial in [best | {name: value} for value in values[1:]]:
                loss = self._loss(data, columns, trial, parts)
                if loss < least:
                    best, least = trial, loss
        return best

    def fit(self, data: Dataset, columns: Sequence[Column], parameters: Mapping[str, Any]) -> Pipeline:
        """Return a fitted pipeline; its scores are not calibrated yet."""
        model = LogisticRegression(
            C=parameters["C"], class_weight=parameters["class_weight"], max_iter=ITERATIONS, tol=TOLERANCE
        )
        steps = [("prepare", _preprocessing(data, columns, parameters["bins"])), ("model", model)]
        with warnings.catch_warnings():
            # Quantiles of a skewed number coincide: it has fewer bins then, as it should.
            warnings.filterwarnings("ignore", message="Bins whose width are too small", category=UserWarning)
            fitted = Pipeline(steps).fit(data.values, data.label)
        if parameters["class_weight"]:
            # Weights move every log-odds by their ratio; taken back, scores of differently fitted folds compare.
            share = float(data.label.mean())
            model.intercept_ = model.intercept_ + np.log(share / (1 - share))
        return fitted

    def scores(self, pipeline: Pipeline, values: Floats) -> Floats:
        """Return log-odds as the model gives them."""
        scores: Floats = pipeline.decision_function(values)
        return scores

    def calibrated(self, pipeline: Pipeline, calibration: Calibration) -> Pipeline:
        """Return the pipeline with the calibration in its coefficients, so that contributions stay exact."""
        model = pipeline.named_steps["model"]
        model.coef_ = model.coef_ * calibration.slope
        model.intercept_ = model.intercept_ * calibration.slope + calibration.intercept
        return pipeline

    def _loss(self, data: Dataset, columns: Sequence[Column], trial: dict[str, Any], parts: Sequence[Any]) -> float:
        scores, labels = [], []
        for rows, rest in parts:
            fitted = self.fit(data.rows(rows), columns, trial)
            scores.append(self.scores(fitted, data.values[rest]))
            labels.append(data.label[rest])
        return held_out_loss(np.concatenate(scores), np.concatenate(labels))


def _preprocessing(data: Dataset, columns: Sequence[Column], bins: int) -> ColumnTransformer:
    """Return the preparation: numbers imputed (and marked), scaled and binned; categories one-hot.

    A missing category is a level of its own; a level that was never seen has no weight.
    """
    numeric, category = places(columns, "numeric"), places(columns, "category")
    impute = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    levels = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=MISSING), OneHotEncoder(handle_unknown="ignore")
    )
    parts = [("numeric", make_pipeline(impute, StandardScaler()), numeric), ("category", levels, category)]
    many = [place for place in numeric if bins and _distinct(data.values[:, place]) > 2 * bins]
    if many:
        parts.append(("binned", _binned(bins), many))
    return ColumnTransformer(parts)


def _binned(bins: int) -> Pipeline:
    cut = KBinsDiscretizer(
        n_bins=bins, encode="onehot", strategy="quantile", quantile_method="averaged_inverted_cdf", subsample=None
    )
    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), cut)


def _distinct(values: Floats) -> int:
    return len(np.unique(values[np.isfinite(values)]))
