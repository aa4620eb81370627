"""Online features: the newest features file in memory, by the pseudonym of the encounter.

The file is read again when it changes, beside the requests, so that none waits for it. While it cannot be read, the one
before stays in use and its age grows, so that its features become stale and are never taken for fresh ones.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from model.definitions.features import BASELINE, definitions
from model.errors import UserError
from model.features.feature_file import load
from model.io import storage

_INDEX, _PATIENT = "index_id", "patient_id"

log = logging.getLogger("services.planning")


@dataclass(frozen=True)
class FeatureRow:
    """Features of one encounter.

    Attributes
    ----------
    values
        By the names of ``features.yaml``; None where nothing was recorded.
    lace
        The LACE index that the features job computed from the codes; None where it has none.
    freshness_hours
        Age of the features file.
    """

    values: Mapping[str, float | None]
    lace: int | None
    freshness_hours: float


@dataclass(frozen=True)
class _Table:
    mark: str
    written: datetime
    values: npt.NDArray[np.float64]
    """One row for each encounter, in the order of the definitions."""
    missing: npt.NDArray[np.bool_]
    """Where nothing was recorded."""
    lace: tuple[int | None, ...]
    places: Mapping[tuple[str, str], int]

    def row(self, place: int) -> dict[str, float | None]:
        """Return the features of one encounter by name: a row of arrays, as one of an Arrow table takes 0.3 ms."""
        pairs = zip(self.values[place].tolist(), self.missing[place].tolist(), strict=True)
        shown = (None if missing else value for value, missing in pairs)
        return dict(zip(definitions().names, shown, strict=True))


class OnlineFeatures:
    """The features file, by pseudonym; safe to use from several threads.

    Parameters
    ----------
    place : str
        The features file, local or ``s3://``.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._table: _Table | None = None

    @property
    def available(self) -> bool:
        """Whether a features file was ever read."""
        return self._table is not None

    def row(self, encounter: str, patient: str) -> FeatureRow | None:
        """Return the features of an encounter of a patient, or None where the file has none."""
        table = self._table
        place = None if table is None else table.places.get((encounter, patient))
        if table is None or place is None:
            return None
        age = (datetime.now(UTC) - table.written) / timedelta(hours=1)
        return FeatureRow(table.row(place), table.lace[place], max(age, 0.0))

    def encounters(self) -> tuple[tuple[str, str], ...]:
        """Return the encounters of the file, each with its patient."""
        return () if self._table is None else tuple(self._table.places)

    def refresh(self) -> None:
        """Read the file if it changed; one that cannot be read is logged, and the one before stays in use."""
        try:
            found = storage.stored(self._place)
            if found is None:
                raise UserError("there is no features file; run the features job")
            if self._table is None or self._table.mark != found.mark:
                rows, _ = load(self._place)
                self._table = _table(found.mark, datetime.now(UTC) - found.age, rows)
        except UserError as fault:
            log.warning("Online features: %s", fault)


def _table(mark: str, written: datetime, rows: pa.Table) -> _Table:
    names = definitions().names
    values = np.empty((rows.num_rows, len(names)))
    missing = np.empty(values.shape, dtype=np.bool_)
    for number, name in enumerate(names):
        column = rows.column(name).combine_chunks()
        values[:, number] = column.to_numpy(zero_copy_only=False)
        missing[:, number] = column.is_null().to_numpy(zero_copy_only=False)
    return _Table(mark, written, values, missing, tuple(rows.column(BASELINE).to_pylist()), _places(rows))


def _places(rows: pa.Table) -> dict[tuple[str, str], int]:
    keys = zip(rows[_INDEX].to_pylist(), rows[_PATIENT].to_pylist(), strict=True)
    return {key: place for place, key in enumerate(keys)}
