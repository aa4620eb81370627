"""Gradient-boosted trees: tuned, early-stopped and calibrated on cross-validated predictions."""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder

from model.dataset.columns import Column, places
from model.dataset.dataset import Dataset, Floats
from model.training.calibration import Calibration, held_out_loss
from model.training.folds import Numbers, tuning_folds
from model.training.settings import Shape, settings

SEED = 20240501
ENCODER_FOLDS = 5


class Boosting:
    """Gradient boosting candidate."""

    name = "gradient-boosting"

    def tune(self, data: Dataset, columns: Sequence[Column]) -> dict[str, object]:
        """Return the shape that loses least on held-out patients, with the trees after which they gained no more."""
        parts = tuning_folds(data)
        trials = [self._trial(data, columns, shape, parts) for shape in settings().boosting.shapes]
        return min(trials, key=lambda trial: trial[0])[1]

    def fit(self, data: Dataset, columns: Sequence[Column], parameters: Mapping[str, object]) -> Pipeline:
        """Return a fitted pipeline; its scores are not calibrated yet."""
        model = HistGradientBoostingClassifier(early_stopping=False, random_state=SEED, **parameters)
        return Pipeline([("prepare", _preprocessing(data, columns)), ("model", model)]).fit(data.values, data.label)

    def scores(self, pipeline: Pipeline, values: Floats) -> Floats:
        """Return log-odds as the model gives them."""
        scores: Floats = pipeline.decision_function(values)
        return scores

    def calibrated(self, pipeline: Pipeline, calibration: Calibration) -> Pipeline:
        """Return the pipeline with the calibration applied after the trees."""
        preprocessing, model = pipeline.named_steps["prepare"], pipeline.named_steps["model"]
        # The library's own fit would use scores of rows that the trees have seen: only its form is taken, by a fit on
        # four rows, and its two numbers are those of the held-out scores. It writes the log-odds as -(a * score + b).
        around = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid", ensemble=False, cv=2)
        around.fit(np.zeros((4, model.n_features_in_)), np.array([0, 1, 0, 1]))
        sigmoid = around.calibrated_classifiers_[0].calibrators[0]
        sigmoid.a_, sigmoid.b_ = -calibration.slope, -calibration.intercept
        return Pipeline([("prepare", preprocessing), ("model", around)])

    def _trial(
        self, data: Dataset, columns: Sequence[Column], shape: Shape, parts: Sequence[tuple[Numbers, Numbers]]
    ) -> tuple[float, dict[str, object]]:
        """Return the held-out loss of a shape and its parameters with the number of trees."""
        scores, trees = [], []
        for rows, rest in parts:
            preprocessing = _preprocessing(data.rows(rows), columns)
            learnt = preprocessing.fit_transform(data.values[rows], data.label[rows])
            others = preprocessing.transform(data.values[rest])
            model = _stopping(shape).fit(learnt, data.label[rows], X_val=others, y_val=data.label[rest])
            scores.append(model.decision_function(others))
            trees.append(max(1, model.n_iter_ - settings().boosting.patience))
        labels = np.concatenate([data.label[rest] for _, rest in parts])
        return held_out_loss(np.concatenate(scores), labels), shape.model_dump() | {"max_iter": int(np.median(trees))}


def _stopping(shape: Shape) -> HistGradientBoostingClassifier:
    grid = settings().boosting
    return HistGradientBoostingClassifier(
        early_stopping=True,
        max_iter=grid.most_trees,
        n_iter_no_change=grid.patience,
        random_state=SEED,
        **shape.model_dump(),
    )


def _preprocessing(data: Dataset, columns: Sequence[Column]) -> ColumnTransformer:
    """Return the preparation: numbers as they are (trees know missing ones), categories by their outcome rates.

    The encoder shrinks the rates, gives a training row the rate of the other rows' outcomes only, and a row to predict
    that of all. A number that no row has is dropped.
    """
    rates = TargetEncoder(target_type="binary", cv=StratifiedKFold(ENCODER_FOLDS, shuffle=True, random_state=SEED))
    recorded = [place for place in places(columns, "numeric") if np.isfinite(data.values[:, place]).any()]
    return ColumnTransformer([("numeric", "passthrough", recorded), ("category", rates, places(columns, "category"))])
