"""Online features: the newest features file in memory, by the pseudonym of the encounter.

The file is read again when it changes, beside the requests, so that none waits for it. While it cannot be read, the one
before stays in use and its age grows, so that its features become stale and are never taken for fresh ones.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

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
    rows: pa.Table
    places: Mapping[tuple[str, str], int]


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
        row = table.rows.slice(place, 1).to_pylist()[0]
        age = (datetime.now(UTC) - table.written) / timedelta(hours=1)
        return FeatureRow({name: row[name] for name in definitions().names}, row[BASELINE], max(age, 0.0))

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
                self._table = _Table(found.mark, datetime.now(UTC) - found.age, rows, _places(rows))
        except UserError as fault:
            log.warning("Online features: %s", fault)


def _places(rows: pa.Table) -> dict[tuple[str, str], int]:
    keys = zip(rows[_INDEX].to_pylist(), rows[_PATIENT].to_pylist(), strict=True)
    return {key: place for place, key in enumerate(keys)}
