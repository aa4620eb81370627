"""Logistic regression: penalised, tuned, and calibrated in its own coefficients."""

from collections.abc import Sequence
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from model.dataset import Dataset, Floats
from model.training.calibration import Calibration
from model.training.columns import Column, places
from model.training.settings import settings

ITERATIONS = 2000
MISSING = -1.0


class Linear:
    """The simpler candidate."""

    name = "logistic-regression"

    def grid(self) -> list[dict[str, Any]]:
        """Return what is tried, the simplest first."""
        return [{"C": penalty} for penalty in settings().linear.penalties]

    def fit(self, data: Dataset, columns: Sequence[Column], parameters: dict[str, Any]) -> Pipeline:
        """Return a fitted pipeline; its scores are not calibrated yet."""
        model = LogisticRegression(max_iter=ITERATIONS, **parameters)
        return Pipeline([("prepare", prepared(columns)), ("model", model)]).fit(data.values, data.label)

    def scores(self, pipeline: Pipeline, values: Floats) -> Floats:
        """Return log-odds as the model gives them."""
        found: Floats = pipeline.decision_function(values)
        return found

    def calibrated(self, pipeline: Pipeline, calibration: Calibration) -> Pipeline:
        """Put the calibration into the coefficients, so that contributions stay exact."""
        model = pipeline.named_steps["model"]
        model.coef_ = model.coef_ * calibration.slope
        model.intercept_ = model.intercept_ * calibration.slope + calibration.intercept
        return pipeline


def prepared(columns: Sequence[Column]) -> ColumnTransformer:
    """Return the preparation for a linear model: numbers imputed (and marked) and scaled, categories one-hot."""
    numeric = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    # A missing category is a level of its own; a level that was never seen has no weight.
    category = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=MISSING), OneHotEncoder(handle_unknown="ignore")
    )
    return ColumnTransformer(
        [("numeric", numeric, places(columns, "numeric")), ("category", category, places(columns, "category"))]
    )
