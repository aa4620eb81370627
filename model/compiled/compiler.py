"""Compiler of a fitted scikit-learn pipeline, as :mod:`model.training` builds them, to its compiled form.

Each step is read from the attributes that scikit-learn documents; a step, option or state that is not known refuses the
pipeline, and nothing is approximated. Whether the result equals the pipeline is proved afterwards, on rows.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler, TargetEncoder

from model.compiled.document import LEAF, MOST_LEAVES, Level, LinearDocument, Number, Rates, Tree, TreesDocument
from model.errors import UserError

MISSING_LEVEL = -1.0

T = TypeVar("T")


def compiled(pipeline: Any, names: Sequence[str], pipeline_sha256: str) -> LinearDocument | TreesDocument:
    """Return the compiled form of a fitted pipeline.

    Parameters
    ----------
    pipeline : Pipeline
        Its steps are ``prepare``, a ColumnTransformer, and ``model``: logistic regression, or gradient boosting with
        a sigmoid calibration.
    names : sequence of str
        The features, in the pipeline's order.
    pipeline_sha256 : str
        SHA-256 of the stored pipeline.

    Raises
    ------
    UserError
        If a step cannot be compiled.
    """
    if not isinstance(pipeline, Pipeline) or list(pipeline.named_steps) != ["prepare", "model"]:
        raise _refusal("its steps are not prepare and model")
    prepare, model = pipeline.named_steps["prepare"], pipeline.named_steps["model"]
    if not isinstance(prepare, ColumnTransformer) or prepare.n_features_in_ != len(names):
        raise _refusal("it is not prepared by a ColumnTransformer of the contract's features")
    about = {"pipeline_sha256": pipeline_sha256, "names": tuple(names)}
    try:
        if isinstance(model, LogisticRegression):
            return _linear(prepare, model, about)
        return _trees(prepare, model, about)
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        raise _refusal(f"a step is not in the state that is known ({type(fault).__name__})") from None


def _linear(prepare: ColumnTransformer, model: LogisticRegression, about: dict[str, Any]) -> LinearDocument:
    if model.coef_.shape[0] != 1 or list(model.classes_) != [0, 1]:
        raise _refusal("the outcome is not 0 or 1")
    numbers: dict[int, dict[str, Any]] = {}
    levels: dict[int, Level] = {}
    for transformer, columns, weights in _parts(prepare, model.coef_[0]):
        imputer, last = _pair(transformer)
        if isinstance(last, StandardScaler):
            _add(numbers, _standardised(imputer, last, columns, weights))
        elif isinstance(last, OneHotEncoder):
            _add(levels, _one_hot(imputer, last, columns, weights))
        elif isinstance(last, KBinsDiscretizer):
            _add_bins(numbers, _binned(imputer, last, columns, weights))
        else:
            raise _refusal(f"{type(last).__name__} is not known")
    if numbers.keys() & levels.keys() or numbers.keys() | levels.keys() != set(range(len(about["names"]))):
        raise _refusal("a feature is used as number and as category, or not at all")
    features: dict[int, Number | Level] = {place: Number(**number) for place, number in numbers.items()} | levels
    return LinearDocument(
        intercept=float(model.intercept_[0]),
        features=tuple(features[place] for place in range(len(features))),
        **about,
    )


def _add(features: dict[int, T], found: dict[int, T]) -> None:
    if features.keys() & found.keys():
        raise _refusal("a feature is used twice")
    features |= found


def _add_bins(numbers: dict[int, dict[str, object]], found: dict[int, dict[str, object]]) -> None:
    for column, bins in found.items():
        if "bins" in numbers[column] or numbers[column]["imputed"] != bins["imputed"]:
            raise _refusal("a number is binned twice, or imputed in two ways")
        numbers[column] |= bins


def _parts(prepare: ColumnTransformer, weights: Any) -> list[tuple[Any, list[int], Any]]:
    """Return each transformer that has columns, with these and the weights of what it makes of them."""
    found = []
    for name, transformer, columns in prepare.transformers_:
        if not len(columns) or (name == "remainder" and transformer == "drop"):
            continue
        if prepare.transformer_weights:
            raise _refusal("its transformers have weights")
        found.append((transformer, [int(column) for column in columns], weights[prepare.output_indices_[name]]))
    return found


def _pair(transformer: object) -> tuple[SimpleImputer, object]:
    if not isinstance(transformer, Pipeline) or len(transformer.steps) != 2:
        raise _refusal("a transformer does not consist of an imputer and one more step")
    imputer, last = (step for _, step in transformer.steps)
    if type(imputer) is not SimpleImputer or not np.isnan(imputer.missing_values):
        raise _refusal("a transformer does not impute first")
    return imputer, last


def _standardised(
    imputer: SimpleImputer, scaler: StandardScaler, columns: Sequence[int], weights: Any
) -> dict[int, dict[str, Any]]:
    imputed = _imputed(imputer, columns)
    marked = list(imputer.indicator_.features_) if imputer.add_indicator else []
    if scaler.mean_ is None or scaler.scale_ is None or len(weights) != len(columns) + len(marked):
        raise _refusal("a scaler does not fit its columns")
    found = {
        column: {
            "imputed": imputed[place],
            "center": float(scaler.mean_[place]),
            "scale": float(scaler.scale_[place]),
            "weight": float(weights[place]),
            "if_missing": 0.0,
            "if_recorded": 0.0,
        }
        for place, column in enumerate(columns)
    }
    for place, feature in enumerate(marked, start=len(columns)):
        for name, value in (("if_missing", 1.0), ("if_recorded", 0.0)):
            shift = (value - scaler.mean_[place]) / scaler.scale_[place]
            found[columns[feature]][name] = float(shift * weights[place])
    return found


def _one_hot(imputer: SimpleImputer, encoder: OneHotEncoder, columns: Sequence[int], weights: Any) -> dict[int, Level]:
    if imputer.strategy != "constant" or imputer.fill_value != MISSING_LEVEL or imputer.add_indicator:
        raise _refusal("a missing level is not a level of its own")
    pooled = encoder.max_categories is not None or encoder.min_frequency is not None
    if encoder.handle_unknown != "ignore" or encoder.drop_idx_ is not None or pooled:
        raise _refusal("levels are dropped or pooled")
    found, start = {}, 0
    for column, categories in zip(columns, encoder.categories_, strict=True):
        known = _by_code(categories, weights[start : start + len(categories)])
        found[column] = Level(**_filled(known, 0.0), unseen=0.0)
        start += len(categories)
    return found


def _binned(
    imputer: SimpleImputer, bins: KBinsDiscretizer, columns: Sequence[int], weights: Any
) -> dict[int, dict[str, object]]:
    if bins.encode != "onehot" or imputer.add_indicator or int(bins.n_bins_.sum()) != len(weights):
        raise _refusal("bins are not one-hot")
    imputed = _imputed(imputer, columns)
    found, start = {}, 0
    for place, column in enumerate(columns):
        count = int(bins.n_bins_[place])
        found[column] = {
            "imputed": imputed[place],
            "edges": tuple(bins.bin_edges_[place][1:-1].tolist()),
            "bins": tuple(weights[start : start + count].tolist()),
        }
        start += count
    return found


def _imputed(imputer: SimpleImputer, columns: Sequence[int]) -> list[float]:
    statistics: list[float] = imputer.statistics_.tolist()
    if len(statistics) != len(columns) or not np.isfinite(statistics).all():
        raise _refusal("a feature has no value to impute")
    return statistics


def _trees(prepare: ColumnTransformer, model: Any, about: dict[str, Any]) -> TreesDocument:
    boosted, slope, intercept = _calibrated(model)
    if len(boosted.classes_) != 2 or boosted.is_categorical_ is not None:
        raise _refusal("the outcome is not 0 or 1, or trees split by sets of levels")
    origins: dict[int, int] = {}
    features: list[Rates | None] = [None] * len(about["names"])
    for transformer, columns, outputs in _parts(prepare, np.arange(boosted.n_features_in_)):
        if len(outputs) != len(columns):
            raise _refusal("a transformer makes several columns of one")
        origins |= dict(zip(outputs.tolist(), columns, strict=True))
        if isinstance(transformer, TargetEncoder):
            for column, rates in zip(columns, _encoded(transformer), strict=True):
                features[column] = rates
        elif transformer != "passthrough" and not _passes(transformer):
            raise _refusal(f"{type(transformer).__name__} is not known")
    if sorted(origins) != list(range(boosted.n_features_in_)) or len(set(origins.values())) != len(origins):
        raise _refusal("a feature is used twice")
    return TreesDocument(
        baseline=float(boosted._baseline_prediction.ravel()[0]),
        slope=slope,
        intercept=intercept,
        features=tuple(features),
        trees=tuple(_tree(predictor.nodes, origins) for [predictor] in boosted._predictors),
        **about,
    )


def _calibrated(model: object) -> tuple[HistGradientBoostingClassifier, float, float]:
    """Return the trees inside a sigmoid calibration, and its slope and intercept on the log-odds."""
    if not isinstance(model, CalibratedClassifierCV) or len(model.calibrated_classifiers_) != 1:
        raise _refusal("the model is neither logistic regression nor calibrated gradient boosting")
    [around] = model.calibrated_classifiers_
    boosted = around.estimator
    while isinstance(boosted, FrozenEstimator):
        boosted = boosted.estimator
    if not isinstance(boosted, HistGradientBoostingClassifier) or around.method != "sigmoid":
        raise _refusal("the model is neither logistic regression nor calibrated gradient boosting")
    [sigmoid] = around.calibrators
    return boosted, -float(sigmoid.a_), -float(sigmoid.b_)


def _encoded(encoder: TargetEncoder) -> list[Rates]:
    """Return the rate of each category's levels; a level that was never seen has that of all rows."""
    if encoder.target_type_ != "binary":
        raise _refusal("a target encoder is not of an outcome of 0 or 1")
    unseen = float(encoder.target_mean_)
    return [
        Rates(**_filled(_by_code(categories, rates), unseen), unseen=unseen)
        for categories, rates in zip(encoder.categories_, encoder.encodings_, strict=True)
    ]


def _by_code(categories: Any, numbers: Any) -> dict[int, float]:
    """Return the number of each level by its code, of a missing one by -1."""
    codes = [MISSING_LEVEL if np.isnan(category) else float(category) for category in categories]
    if len(set(codes)) != len(codes) or any(code < MISSING_LEVEL or not code.is_integer() for code in codes):
        raise _refusal("a level is not the place in its list")
    return {int(code): float(number) for code, number in zip(codes, numbers, strict=True)}


def _filled(known: dict[int, float], unseen: float) -> dict[str, Any]:
    levels = tuple(known.get(code, unseen) for code in range(max(known, default=-1) + 1))
    return {"levels": levels, "missing": known.get(-1, unseen)}


def _passes(transformer: Any) -> bool:
    """Return whether a transformer is scikit-learn's stand-in for ``passthrough``."""
    return type(transformer).__name__ == "FunctionTransformer" and transformer.func is None


def _tree(nodes: Any, origins: dict[int, int]) -> Tree:
    leaf = nodes["is_leaf"].astype(bool)
    if nodes["is_categorical"].any() or int(leaf.sum()) > MOST_LEAVES:
        raise _refusal(f"a tree splits by sets of levels, or has more than {MOST_LEAVES} leaves")
    inner = ~leaf
    thresholds = np.where(leaf, 0.0, nodes["num_threshold"]).tolist()
    tested = zip(nodes["feature_idx"].tolist(), inner.tolist(), strict=True)
    return Tree(
        feature=tuple(origins[feature] if splits else LEAF for feature, splits in tested),
        threshold=tuple(None if np.isposinf(threshold) else threshold for threshold in thresholds),
        missing_left=tuple((nodes["missing_go_to_left"].astype(bool) & inner).tolist()),
        left=tuple(np.where(leaf, LEAF, nodes["left"].astype(np.int64)).tolist()),
        right=tuple(np.where(leaf, LEAF, nodes["right"].astype(np.int64)).tolist()),
        value=tuple(np.where(leaf, nodes["value"], 0.0).tolist()),
    )


def _refusal(reason: str) -> UserError:
    return UserError(f"The pipeline cannot be compiled: {reason}; train it with this package.")
