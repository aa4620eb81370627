"""Safe unpickling of a scikit-learn pipeline: only estimators and the classes of an allow list are resolved.

joblib and not skops: both hold either candidate, but skops writes object ids and a clock into its file, so the same
pipeline would not give the same digest, and its file is several times as large and slow. What skops adds, a list of
trusted types, is this module: joblib's own unpickler asks it for every name.
"""

import functools
import io
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from joblib.numpy_pickle import NumpyUnpickler
from sklearn.base import BaseEstimator

from model.errors import UserError

# What fitted estimators are made of that is no estimator itself. None of them does anything but hold or make numbers.
PARTS = frozenset(
    {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy", "bool"),
        ("numpy", "float32"),
        ("numpy", "float64"),
        ("numpy", "int32"),
        ("numpy", "int64"),
        ("numpy", "uint8"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
        ("numpy.random._pcg64", "PCG64"),
        ("numpy.random._pickle", "__bit_generator_ctor"),
        ("numpy.random._pickle", "__generator_ctor"),
        ("numpy.random.bit_generator", "SeedSequence"),
        ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"),
        ("builtins", "slice"),
        ("sklearn._loss._loss", "CyHalfBinomialLoss"),
        ("sklearn._loss.link", "Interval"),
        ("sklearn._loss.link", "LogitLink"),
        ("sklearn._loss.loss", "HalfBinomialLoss"),
        ("sklearn.calibration", "_CalibratedClassifier"),
        ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor"),
        ("sklearn.model_selection._split", "GroupKFold"),
        ("sklearn.model_selection._split", "KFold"),
        ("sklearn.model_selection._split", "StratifiedKFold"),
    }
)
ESTIMATORS = "sklearn."


@dataclass(frozen=True)
class Loaded:
    """A fitted pipeline and the packages that it needs."""

    pipeline: Any
    packages: frozenset[str]


def load(content: bytes) -> Loaded:
    """Return a pipeline from bytes whose hash was checked.

    Raises
    ------
    UserError
        When the bytes are no pipeline, or name something that no fitted estimator holds. Nothing was run then.
    """
    packages: set[str] = set()
    reader = NumpyUnpickler("", io.BytesIO(content), ensure_native_byte_order=True)
    reader.find_class = functools.partial(_find, packages)
    try:
        pipeline = reader.load()
    except UserError:
        raise
    except Exception as fault:
        raise UserError(f"The release's pipeline cannot be read ({type(fault).__name__}); do not use it.") from None
    if not hasattr(pipeline, "predict_proba") or not hasattr(pipeline, "steps"):
        raise UserError("The release's pipeline is not a fitted scikit-learn Pipeline; do not use it.")
    return Loaded(pipeline, frozenset(packages))


def _find(packages: set[str], module: str, name: str) -> object:
    """Return what a pickle names, when it is an estimator or one of its parts."""
    if (module, name) in PARTS:
        attribute = getattr(import_module(module), name)
    elif module.startswith(ESTIMATORS) and name.isidentifier():
        attribute = getattr(import_module(module), name, None)
        if not (isinstance(attribute, type) and issubclass(attribute, BaseEstimator)):
            raise _refusal(module, name)
    else:
        raise _refusal(module, name)
    packages.add(module.partition(".")[0])
    return attribute


def _refusal(module: str, name: str) -> Exception:
    return UserError(f"The release's pipeline names {module}.{name}, which is not part of an estimator; do not use it.")
