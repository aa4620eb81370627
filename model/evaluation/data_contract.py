"""Data contract: the test data against the training data (features, definitions, missing values)."""

from typing import Any

import numpy as np

from model.dataset.dataset import Dataset, Floats
from model.definitions.features import digest
from model.metrics.figures import DataContractFigures
from model.training.run import Run


def data_contract(run: Run, fit: Dataset, test: Dataset) -> DataContractFigures:
    """Return how the held-out data keeps to the model's contract.

    Parameters
    ----------
    run : Run
        What was trained.
    fit : Dataset
        The training discharges.
    test : Dataset
        The held-out discharges.

    Returns
    -------
    DataContractFigures
        ``missingness_drift``: the largest difference, between training and held-out discharges, in the share of a
        feature that is missing, and whose it is; ``constant_features``: how many features have one value only in the
        held-out data but not in training; ``same_definitions``: whether this package defines the features as the
        run's did, null for a table of the hospital's own.
    """
    same_definitions = None if run.table else run.definition_digest == digest()
    if fit.names != test.names or not len(fit) or not test.names:
        return DataContractFigures(
            missingness_drift=None, drifted_feature=None, constant_features=None, same_definitions=same_definitions
        )
    drift = np.abs(np.isnan(fit.values).mean(axis=0) - np.isnan(test.values).mean(axis=0))
    most = int(np.argmax(drift))
    return DataContractFigures(
        missingness_drift=float(drift[most]),
        drifted_feature=test.names[most],
        constant_features=int((_constant(test.values) & ~_constant(fit.values)).sum()),
        same_definitions=same_definitions,
    )


def _constant(values: Floats) -> Any:
    finite = np.isfinite(values)
    low, high = np.where(finite, values, np.inf).min(axis=0), np.where(finite, values, -np.inf).max(axis=0)
    return low >= high
