"""What must not be trained on: too little, one outcome, columns that say nothing, and columns that say the outcome."""

import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model.dataset import Dataset, Floats
from model.errors import GateError
from model.gates import Minimum
from model.training.columns import Column
from model.training.compare import roc_auc
from model.training.split import is_test

LEAK = 0.98
STRICT = "clinical"
PARTS = 100


def enough(fit: Dataset, minimum: Minimum, profile: str) -> None:
    """Refuse too few rows, outcomes or patients, and one outcome alone."""
    found = {"discharges": len(fit), "readmissions": int(fit.label.sum()), "patients": fit.patients}
    for name, value in found.items():
        least = getattr(minimum, name)
        if value < least:
            raise GateError(
                f"{value} {name} to train on, but the profile {profile} asks for {least}; "
                "bring more data, or choose --profile demonstration to show the pipeline only."
            )
    if found["readmissions"] == len(fit):
        raise GateError("Every discharge was followed by a readmission; a model needs both outcomes.")


def constant(fit: Dataset, profile: str) -> dict[str, str]:
    """Return the columns that are the same in all training rows, with what they are; ``clinical`` refuses them.

    Raises
    ------
    GateError
        In the profile for patients: a feature that cannot be learnt has to be left out by a person.
    """
    if not fit.names:
        raise GateError("No column is left to train on; leave out fewer with --without, or bring a table with more.")
    found = {}
    for place, name in enumerate(fit.names):
        given = fit.values[np.isfinite(fit.values[:, place]), place]
        if not len(given):
            found[name] = "never recorded in the training rows"
        elif len(given) == len(fit) and (given == given[0]).all():
            found[name] = "the same in all training rows"
    if found and profile == STRICT:
        raise GateError(
            f"{len(found)} features say nothing, the same or none in all training rows: {', '.join(found)}; "
            f"bring data that has them, or leave them out with --without {shlex.quote(','.join(found))}."
        )
    if len(found) == len(fit.names):
        raise GateError("No column of the table says anything; a model needs at least one that differs between rows.")
    return found


def no_leak(fit: Dataset, columns: Sequence[Column]) -> None:
    """Refuse a column that alone tells the outcome: it is a copy of it, or was written after it was known.

    Raises
    ------
    GateError
        When what a column's values (or its being empty) tell of other patients orders the outcomes nearly perfectly.
    """
    told = [c.name for c in columns if alone(fit.column(c.name), fit.label, fit.patient) > LEAK]
    if told:
        raise GateError(
            f"{', '.join(told)} alone tells the outcome (ROC-AUC over {LEAK}), as only a copy of it or a record from "
            f"after the discharge does; leave out with --without {shlex.quote(','.join(told))}."
        )


def alone(values: Floats, label: npt.NDArray[np.int64], patient: npt.NDArray[Any]) -> float:
    """Return the ROC-AUC of one column: its parts (empty is one) by their rates in the other half of the patients."""
    part = _parts(values)
    half = is_test(patient, parts=2)
    rate = np.zeros(len(label))
    for here, there in ((half, ~half), (~half, half)):
        if len(np.unique(label[here])) < 2 or not there.any():
            return 0.5
        rows = np.bincount(part[here], minlength=part.max() + 1)
        hits = np.bincount(part[here], weights=label[here], minlength=part.max() + 1)
        rate[there] = ((hits + label[here].mean()) / (rows + 1))[part[there]]
    return roc_auc(rate, label) if len(np.unique(label)) == 2 else 0.5


def _parts(values: Floats) -> npt.NDArray[np.int64]:
    """Return the value's number where there are few, else the number of its quantile; one more for empty."""
    given = np.isfinite(values)
    if not given.any():
        return np.zeros(len(values), dtype=np.int64)
    distinct = np.unique(values[given])
    edges = distinct if len(distinct) <= PARTS else np.unique(np.quantile(values[given], np.linspace(0, 1, PARTS)))
    found: npt.NDArray[np.int64] = np.where(given, np.searchsorted(edges, values), len(edges) + 1).astype(np.int64)
    return found
