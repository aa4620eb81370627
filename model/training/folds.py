"""Cross-validation folds, grouped by patient."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold

from model.dataset.dataset import Dataset
from model.errors import GateError
from model.training.settings import settings

Numbers = npt.NDArray[np.int64]


def folds(data: Dataset, most: int | None = None) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield training rows and held-out rows of each fold, grouped by patient.

    Raises
    ------
    GateError
        When there are too few patients, or the outcomes lie with too few of them.
    """
    count = min(most or settings().folds, data.patients)
    if count < 2:
        raise GateError("All rows are of one patient, too few for cross-validation; add data.")
    for rows, rest in GroupKFold(n_splits=count).split(data.values, data.label, groups=data.patient):
        if len(np.unique(data.label[rows])) < 2:
            raise GateError("Too few patients with one outcome for cross-validation; add data.")
        yield rows, rest


def tuning_folds(data: Dataset) -> list[tuple[Numbers, Numbers]]:
    """Return the folds for tuning: all of them, or one if it has enough rows."""
    every = list(folds(data, settings().tuning_folds))
    return every if len(data) <= settings().tuning_rows else every[:1]
