"""The features file as arrays, split by patient."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from model.features.definitions import BASELINE, LABEL

Floats = npt.NDArray[np.float64]

TEST_PARTS = 4


@dataclass(frozen=True)
class Dataset:
    """Discharges as arrays; row i of each belongs together."""

    names: tuple[str, ...]
    values: Floats
    label: npt.NDArray[np.int64]
    patient: npt.NDArray[Any]
    baseline: Floats

    def __len__(self) -> int:
        return len(self.label)

    def rows(self, chosen: npt.NDArray[np.bool_]) -> "Dataset":
        """Return some of the rows."""
        return Dataset(self.names, self.values[chosen], self.label[chosen], self.patient[chosen], self.baseline[chosen])

    def column(self, name: str) -> Floats:
        """Return one feature."""
        found: Floats = self.values[:, self.names.index(name)]
        return found

    @property
    def patients(self) -> int:
        """How many patients."""
        return len(np.unique(self.patient))


def matrix(table: pa.Table, names: tuple[str, ...]) -> Floats:
    """Return features as an array with NaN for what is missing."""
    columns = [table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in names]
    return np.column_stack(columns) if columns else np.empty((table.num_rows, 0))


def labelled(table: pa.Table, names: tuple[str, ...]) -> Dataset:
    """Return the discharges whose 30 days were observed."""
    known = table.filter(table[LABEL].is_valid())
    return Dataset(
        names=names,
        values=matrix(known, names),
        label=known[LABEL].to_numpy(zero_copy_only=False).astype(np.int64),
        patient=np.array(known["patient_id"].to_pylist(), dtype=str),
        baseline=known[BASELINE].to_numpy(zero_copy_only=False).astype(np.float64),
    )


def is_test(patients: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which rows belong to the test patients: one in four, told by the pseudonym, whatever else is there."""
    unique, place = np.unique(patients, return_inverse=True)
    picked = [int.from_bytes(hashlib.sha256(str(p).encode()).digest()[:4], "big") % TEST_PARTS == 0 for p in unique]
    return np.array(picked, dtype=bool)[place]
