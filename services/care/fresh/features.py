"""Fresh features: a patient's record of this moment, de-identified and computed by the expressions of the batch.

The record goes through the same ingestion as the night's files, with the hospital's own pseudonym key, into curated
rows. They are joined with the patient's history, the published curated tables: a row of the history whose resource is
also in the record gives way to the record's. The features are those of :func:`model.features.build.as_known`: a stay
that goes on is taken to end now, one that is over at its end. Without a record the history alone is used.
"""

import contextlib
import functools
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from model.curated.record import record_rows
from model.curated.statements import parsed
from model.definitions.features import definitions
from model.deid.keys import Keyring
from model.deid.subject import Subject, secret_input
from model.errors import UserError
from model.features.expression import FRESH, age_column
from model.features.one_patient import OnePatient
from services.care.fresh.history import Edition
from services.care.fresh.patient_record import PatientRecord
from services.care.fresh.patient_tables import join_history

HOUR = 3600.0


@dataclass(frozen=True)
class FreshFeatures:
    """Features of one stay, under pseudonyms.

    Parameters
    ----------
    encounter, patient
        Pseudonyms.
    features
        Values by name, null where nothing is recorded; None when there is no stay to score.
    fresh
        Whether they are from the record of this moment.
    newest_at
        True time of the patient's newest record, where there is any.
    as_of_hours
        Age of the data: 0 when fresh, else since the newest record.
    feed_hours
        Age of the newest record of each kind, in hours, where there is any.
    excluded
        Why there is no stay to score, as a code.
    """

    encounter: str
    patient: str
    features: dict[str, float | None] | None
    fresh: bool
    newest_at: datetime | None = None
    as_of_hours: float | None = None
    feed_hours: Mapping[str, float | None] | None = None
    excluded: str | None = None


@dataclass(frozen=True)
class FeatureSource:
    """Source of fresh features of one hospital.

    Parameters
    ----------
    hospital
        Short name of the hospital.
    ring
        Gives its pseudonym key, held to a version; the newest unless a version is named.
    zone
        Its time zone.
    """

    hospital: str
    ring: Callable[[int | None], Keyring]
    zone: str | None = None

    def subject(self, patient_id: str, ring: Keyring) -> Subject:
        """Return a patient's pseudonyms and shift."""
        return Subject(ring.secrets([secret_input(self.hospital, patient_id)])[0])

    def features(self, record: PatientRecord, history: Edition | None, now: datetime) -> FreshFeatures:
        """Return the features of the stay that a record is about.

        Parameters
        ----------
        record : PatientRecord
            The patient's record; without the patient and the encounter the history alone is used.
        history : Edition, optional
            The published curated tables.
        now : datetime
            The true time.
        """
        # The version of the history's pseudonyms, or the two would not meet.
        ring = self.ring(history.key_version if history else None)
        subject = self.subject(record.patient_id, ring)
        patient = subject.pseudonym("Patient", record.patient_id)
        encounter = subject.pseudonym("Encounter", record.encounter_id)
        with contextlib.ExitStack() as stack:
            fresh, rows = self._rows(record, ring, stack)
            replaced = pseudonyms(record, subject) if fresh else []
            joined = join_history(
                rows, hospital=self.hospital, patient=patient, fresh=fresh, history=history, replaced=replaced
            )
            if not joined:
                return FreshFeatures(encounter, patient, None, False, excluded="no-record")
            start, ended = _stay(rows, encounter)
            # As of when the stay is scored, on the shifted calendar: its end, or now while it goes on.
            shifted = now + subject.shift
            at = shifted.astimezone(UTC) if ended is None or ended > shifted else ended
            newest_at = one_patient().newest_at(rows)
            table = one_patient().as_known(rows, at)
            excluded = None if table.num_rows else _excluded(one_patient().exclusion_reasons(rows))
            if excluded is not None and not fresh and start is None:
                excluded = "unknown-stay"
        newest_true = None if newest_at is None else newest_at - subject.shift
        stale = None if newest_true is None else max((now - newest_true).total_seconds() / HOUR, 0.0)
        row = _row(table, start)
        return FreshFeatures(
            encounter,
            patient,
            None if row is None else {name: row[name] for name in definitions().names},
            fresh,
            newest_true,
            0.0 if fresh else stale,
            None if row is None else {name: row[age_column(name)] for name in FRESH},
            excluded,
        )

    def _rows(
        self, record: PatientRecord, ring: Keyring, stack: contextlib.ExitStack
    ) -> tuple[bool, duckdb.DuckDBPyConnection]:
        """Return whether the record has a usable patient, and a connection of its own with the record's rows if so."""
        if record.is_fresh:
            source = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fresh-"))) / "record.ndjson"
            source.touch(mode=0o600)
            source.write_text("\n".join(json.dumps(one) for one in record.resources) + "\n", encoding="utf-8")
            reading = record_rows(
                str(source), hospital=self.hospital, ring=ring, zone=self.zone, cursor=one_patient().cursor
            )
            with contextlib.suppress(UserError):
                return True, stack.enter_context(reading)
        return False, stack.enter_context(contextlib.closing(one_patient().cursor()))


@functools.cache
def one_patient() -> OnePatient:
    """Return the statements of the process: to make them takes a second."""
    return OnePatient()


def pseudonyms(record: PatientRecord, subject: Subject) -> list[str]:
    """Return the pseudonyms of all resources of a record, used or not: their rows of the history give way."""
    return [subject.pseudonym(str(one["resourceType"]), str(one["id"])) for one in record.resources]


def _stay(rows: duckdb.DuckDBPyConnection, encounter: str) -> tuple[datetime | None, datetime | None]:
    """Return when the encounter started and ended, on the shifted calendar; nothing of one that is not known."""
    (query,) = parsed("SELECT started_at, ended_at FROM patient_encounter WHERE encounter_id = $encounter")
    stays = rows.execute(query, {"encounter": encounter}).fetchall()
    return stays[0] if stays else (None, None)


def _excluded(reasons: Sequence[str | None]) -> str:
    """Return why there is no stay to score: the reason of the stay, or that there is none."""
    return next((reason.replace("_", "-") for reason in reasons if reason), "no-inpatient-stay")


def _row(table: pa.Table, start: datetime | None) -> dict[str, Any] | None:
    """Return the row of the stay that the encounter is part of; nothing when it is part of none."""
    rows = sorted(table.to_pylist(), key=lambda row: row["admitted_at"], reverse=True)
    if start is None:
        return rows[0] if rows else None
    return next((row for row in rows if row["admitted_at"] <= start), None)
