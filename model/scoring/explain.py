"""Explainers that compute with the evaluated pipeline: what a compiled model must equal."""

from typing import Any

import numpy as np
from scipy.special import expit, logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression

from model.compiled.explanation import EXACT, OCCLUSION, Explainer, Explanation, Floats
from model.dataset.prepared_columns import origins
from model.scoring.contract import Contract

ROWS_AT_ONCE = 4096


def explainer(pipeline: Any, contract: Contract) -> Explainer:
    """Return the explainer of a fitted pipeline: exact for a linear model, occlusion for any other."""
    preprocessing, model = pipeline.named_steps["prepare"], pipeline.named_steps["model"]
    if isinstance(model, LogisticRegression):
        return Exact(preprocessing, model, origins(preprocessing), contract.usual)
    return Occlusion(pipeline, contract.usual)


class Exact:
    """Exact contributions of a linear model: they add up to the log-odds.

    Parameters
    ----------
    preprocessing : fitted transformer
        From the contract's columns to the model's.
    model : LogisticRegression
        With the calibration in its coefficients.
    origins : sequence of int
        The input column of each transformed one.
    usual : array of shape (k,)
        The discharge that contributions are counted from.
    """

    method = EXACT

    def __init__(self, preprocessing: Any, model: LogisticRegression, origins: tuple[int, ...], usual: Floats) -> None:
        self._preprocessing = preprocessing
        self._weights: Floats = model.coef_[0]
        self._intercept = float(model.intercept_[0])
        self._groups = np.zeros((len(origins), len(usual)))
        self._groups[np.arange(len(origins)), origins] = 1.0
        self._usual = self._parts(usual.reshape(1, -1))[0]
        self._baseline = float(self._usual.sum()) + self._intercept

    def explain(self, values: Floats) -> Explanation:
        """Return risks of discharges, one a row, and what each feature adds."""
        explanation = self._parts(values)
        return Explanation(expit(explanation.sum(axis=1) + self._intercept), explanation - self._usual, self._baseline)

    def _parts(self, values: Floats) -> Floats:
        prepared = self._preprocessing.transform(values)
        dense = prepared if isinstance(prepared, np.ndarray) else prepared.toarray()
        contributions: Floats = (dense * self._weights) @ self._groups
        return contributions


class Occlusion:
    """Occlusion: change of the log-odds when a value is replaced by the typical one; for non-linear models.

    Every replacement of every discharge is one row of a single prediction. A value that is the usual one is not
    replaced: its contribution is zero.
    """

    method = OCCLUSION

    def __init__(self, pipeline: Any, usual: Floats) -> None:
        self._pipeline = pipeline
        self._sigmoid = _sigmoid(pipeline.named_steps["model"])
        self._usual = usual
        self._baseline = float(self._log_odds(usual.reshape(1, -1))[1][0])

    def explain(self, values: Floats) -> Explanation:
        """Return risks of discharges, one a row, and what each feature adds."""
        step = max(1, ROWS_AT_ONCE // (values.shape[1] + 1))
        parts = [self._explained(values[start : start + step]) for start in range(0, len(values), step)]
        risk, contributions = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return Explanation(risk, contributions, self._baseline)

    def _explained(self, values: Floats) -> tuple[Floats, Floats]:
        unusual = (values != self._usual) & ~(np.isnan(values) & np.isnan(self._usual))
        row, column = np.nonzero(unusual)
        changed = values[row]
        changed[np.arange(len(row)), column] = self._usual[column]
        risk, log_odds = self._log_odds(np.concatenate([values, changed]))
        contributions = np.zeros(values.shape)
        contributions[row, column] = log_odds[row] - log_odds[len(values) :]
        return risk[: len(values)], contributions

    def _log_odds(self, values: Floats) -> tuple[Floats, Floats]:
        if self._sigmoid is None:
            risk: Floats = self._pipeline.predict_proba(values)[:, 1]
            tiny = np.finfo(np.float64).eps
            return risk, logit(np.clip(risk, tiny, 1 - tiny))
        # Near a risk of 1 a probability has fewer digits than its log-odds.
        estimator, sigmoid = self._sigmoid
        prepared = self._pipeline.named_steps["prepare"].transform(values)
        log_odds: Floats = -(sigmoid.a_ * estimator.decision_function(prepared) + sigmoid.b_)
        return expit(log_odds), log_odds


def _sigmoid(model: Any) -> tuple[Any, Any] | None:
    """Return the estimator and the sigmoid of a calibrated model, if it is one estimator with one sigmoid."""
    if not isinstance(model, CalibratedClassifierCV) or len(model.calibrated_classifiers_) != 1:
        return None
    [around] = model.calibrated_classifiers_
    if around.method != "sigmoid" or not hasattr(around.estimator, "decision_function"):
        return None
    return around.estimator, around.calibrators[0]
