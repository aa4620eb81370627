"""Model instability: the same model refitted on bootstrap draws of the training patients.

The bootstrap assessment of instability of Riley and Collins (Biom J 2023;65:2200302): each draw's model predicts the
same held-out discharges, and its risks are held against those of the model of all training patients.
"""

import numpy as np
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from model.dataset.dataset import Dataset, Floats
from model.evaluation.importance import coefficients
from model.io.console import progress
from model.metrics.figures import StabilityFigures
from model.metrics.resampling import Resamples

REFITS = 10
PATIENTS = 6000
SEED = 20240503


def stability(
    pipeline: Pipeline, fit: Dataset, test: Dataset, rank_correlation: float | None = None
) -> StabilityFigures:
    """Return how far risks and coefficients move when the model is fitted on other patients.

    Parameters
    ----------
    pipeline : Pipeline
        The fitted model; its calibration is left aside, for a refit has none.
    fit : Dataset
        The training discharges; those of at most ``PATIENTS`` patients are used.
    test : Dataset
        The discharges to predict.
    rank_correlation : float, optional
        That of the features' importance over draws of patients.

    Returns
    -------
    StabilityFigures
        ``risk_shift``: the mean absolute change of a risk; ``score_correlation``: the mean rank correlation of the
        risks; ``same_sign``: for each feature how often its coefficients kept their sign, null for trees.
    """
    part = _some_patients(fit)
    bare = _bare(pipeline)
    whole = clone(bare).fit(part.values, part.label)
    usual, signs = _risk(whole, test), _signs(whole, len(test.names))
    shifts, alike, kept = [], [], []
    with progress("refits", REFITS) as advance:
        for weights in Resamples(part.patient, count=REFITS, seed=SEED).chunks():
            for drawn in weights:
                rows = np.repeat(np.arange(len(part)), drawn.astype(np.int64))
                advance(1)
                if len(np.unique(part.label[rows])) < 2:
                    continue
                again = clone(bare).fit(part.values[rows], part.label[rows])
                risk = _risk(again, test)
                shifts.append(float(np.abs(risk - usual).mean()))
                alike.append(float(spearmanr(risk, usual).statistic) if np.ptp(risk) and np.ptp(usual) else np.nan)
                kept.append(_signs(again, len(test.names)) == signs)
    finite = [value for value in alike if np.isfinite(value)]
    return StabilityFigures(
        rank_correlation=rank_correlation,
        refits=len(shifts),
        risk_shift=float(np.mean(shifts)) if shifts else None,
        score_correlation=float(np.mean(finite)) if finite else None,
        same_sign=_shares(test.names, signs, np.array(kept)),
    )


def _shares(names: tuple[str, ...], signs: Floats, kept: Floats) -> dict[str, float] | None:
    if not len(kept) or not np.isfinite(signs).any():
        return None
    share = kept.mean(axis=0)
    return {name: float(share[place]) for place, name in enumerate(names) if np.isfinite(signs[place])}


def _signs(pipeline: Pipeline, features: int) -> Floats:
    """Return the sign of each feature's first coefficient, NaN where it has none."""
    signs = coefficients(pipeline, features)
    return np.array([np.sign(weights[0]) if weights else np.nan for weights in signs])


def _bare(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline without what calibrates its model: a calibrator cannot be fitted on its own training rows."""
    model = pipeline.named_steps["model"]
    frozen = getattr(model, "estimator", model)
    return Pipeline([("prepare", pipeline.named_steps["prepare"]), ("model", getattr(frozen, "estimator", frozen))])


def _risk(pipeline: Pipeline, test: Dataset) -> Floats:
    risks: Floats = pipeline.predict_proba(test.values)[:, 1]
    return risks


def _some_patients(fit: Dataset) -> Dataset:
    unique = np.unique(fit.patient)
    if len(unique) <= PATIENTS:
        return fit
    return fit.rows(np.isin(fit.patient, np.random.default_rng(SEED).permutation(unique)[:PATIENTS]))
