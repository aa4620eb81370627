"""Dataset of discharges as arrays: features, label, patient, time and subgroups."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from model.definitions.features import BASELINE, LABEL

Floats = npt.NDArray[np.float64]

PATIENT = "patient_id"
TIME = "discharged_at"


@dataclass(frozen=True)
class Dataset:
    """Discharges as arrays; row i of each belongs together.

    Parameters
    ----------
    names : tuple of str
        The columns of ``values``.
    values : array (rows, columns)
        Numbers, or the codes of categories; NaN is missing.
    label : array of int
        1 where the patient came back.
    patient : array of str
        Whose discharge it is.
    baseline : array
        A published score to compare with (LACE); NaN where there is none.
    time : array, optional
        Seconds since 1970 of the discharge; NaN where unknown.
    groups : dict of arrays of str
        For each attribute the group of each row; empty where unknown.
    later : array of bool
        Whether the row lies after the cut in time that training respected.
    """

    names: tuple[str, ...]
    values: Floats
    label: npt.NDArray[np.int64]
    patient: npt.NDArray[np.str_]
    baseline: Floats
    time: Floats | None
    groups: Mapping[str, npt.NDArray[np.str_]]
    later: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.label)

    def rows(self, chosen: npt.NDArray[np.bool_ | np.integer]) -> "Dataset":
        """Return some of the rows, by mask or by number."""
        return Dataset(
            names=self.names,
            values=self.values[chosen],
            label=self.label[chosen],
            patient=self.patient[chosen],
            baseline=self.baseline[chosen],
            time=None if self.time is None else self.time[chosen],
            groups={name: group[chosen] for name, group in self.groups.items()},
            later=self.later[chosen],
        )

    def column(self, name: str) -> Floats:
        """Return one feature."""
        values: Floats = self.values[:, self.names.index(name)]
        return values

    @property
    def patients(self) -> int:
        """Number of patients."""
        return len(np.unique(self.patient))


def matrix(table: pa.Table, names: tuple[str, ...]) -> Floats:
    """Return features as an array with NaN for what is missing."""
    columns = [table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in names]
    return np.column_stack(columns) if columns else np.empty((table.num_rows, 0))


def labelled(table: pa.Table, names: tuple[str, ...]) -> Dataset:
    """Return the discharges of a features table whose readmission window was observed."""
    with_label = table.filter(table[LABEL].is_valid())
    return Dataset(
        names=names,
        values=matrix(with_label, names),
        label=with_label[LABEL].to_numpy(zero_copy_only=False).astype(np.int64),
        patient=np.array(with_label[PATIENT].to_pylist(), dtype=str),
        baseline=with_label[BASELINE].to_numpy(zero_copy_only=False).astype(np.float64),
        time=seconds(with_label[TIME]) if TIME in with_label.column_names else None,
        groups={},
        later=np.zeros(with_label.num_rows, dtype=bool),
    )


def seconds(moments: pa.ChunkedArray) -> Floats:
    """Return times as seconds since 1970, NaN where there is none."""
    whole = moments.cast(pa.timestamp("us", tz=getattr(moments.type, "tz", None))).cast(pa.int64())
    numbers: Floats = whole.to_numpy(zero_copy_only=False).astype(np.float64) / 1e6
    return numbers
