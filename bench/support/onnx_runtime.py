"""ONNX Runtime's risk of a pipeline's estimator, where the dependency group ``bench`` is installed.

skl2onnx 1.20 converts neither pipeline as a whole (it knows no imputer with an indicator before a scaler, and no
FrozenEstimator), so the estimator alone is converted, and gets rows that scikit-learn has prepared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

OPSETS = {"": 18, "ai.onnx.ml": 3}


@dataclass(frozen=True)
class Onnx:
    """A converted estimator.

    Attributes
    ----------
    risks
        Its probabilities of prepared rows.
    rows
        The rows, prepared and in its precision.
    precision
        Double for a linear model; single for trees, for which there is nothing else.
    difference
        Largest difference from scikit-learn's probability.
    """

    risks: Callable[[Any], Any]
    rows: Any
    precision: str
    difference: float


def onnx(pipeline: Any, values: Any) -> Onnx | None:
    """Return the converted estimator of a pipeline, or None where ONNX Runtime is not installed."""
    if find_spec("onnxruntime") is None or find_spec("skl2onnx") is None:
        return None
    prepared = pipeline.named_steps["prepare"].transform(values)
    prepared = prepared if isinstance(prepared, np.ndarray) else prepared.toarray()
    estimator = _estimator(pipeline.named_steps["model"])
    linear = isinstance(estimator, LogisticRegression)
    types = import_module("skl2onnx.common.data_types")
    kind = types.DoubleTensorType if linear else types.FloatTensorType
    rows = prepared.astype(np.float64 if linear else np.float32)
    converted = import_module("skl2onnx").to_onnx(
        estimator, initial_types=[("x", kind([None, rows.shape[1]]))], options={"zipmap": False}, target_opset=OPSETS
    )
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(converted.SerializeToString(), options, providers=["CPUExecutionProvider"])
    output = session.get_outputs()[1].name

    def risks(inputs: Any) -> Any:
        return session.run([output], {"x": inputs})[0][:, 1]

    difference = float(np.abs(risks(rows) - estimator.predict_proba(prepared)[:, 1]).max())
    return Onnx(risks, rows, "double precision" if linear else "single precision", difference)


def _estimator(model: Any) -> Any:
    """Return what is inside of a calibration and a frozen estimator."""
    if hasattr(model, "calibrated_classifiers_"):
        return _estimator(model.calibrated_classifiers_[0].estimator)
    return _estimator(model.estimator) if hasattr(model, "estimator") else model
