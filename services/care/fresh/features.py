"""Fresh features: a patient's record of this moment, de-identified and computed by the functions of the batch.

The record goes through the same ingestion as the night's files, with the hospital's own pseudonym key, into curated
rows. They are joined with the patient's history, the published curated tables: a row of the history whose resource is
also in the record gives way to the record's. The features are those of :func:`model.features.build.as_known`: a stay
that goes on is taken to end now, one that is over at its end. Without a record the history alone is used.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa

from model.curated import curated_tables
from model.curated.run import ingest
from model.definitions.features import definitions
from model.deid.keys import Keyring
from model.deid.subject import Subject, secret_input
from model.errors import UserError
from model.features.asof import newest
from model.features.build import as_known
from model.features.engines import DuckDb, engine
from model.features.expression import FRESH
from model.fhir.record_use import record_use
from services.care.fresh.history import Edition
from services.care.fresh.patient_record import PatientRecord

NO_LIMITS = dict.fromkeys(record_use().limits.shares, 1.0)
"""Shares of excluded resources say something of an extract, not of one patient."""
HOUR = 3600.0
Tables = dict[str, ibis.Table]


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
    """How fresh features of one hospital are computed.

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
        with tempfile.TemporaryDirectory(prefix="fresh-") as scratch, engine("duckdb") as runs:
            if not isinstance(runs, DuckDb):  # for the type: the engine's name says which it is
                raise TypeError("not DuckDB")
            fresh = self._curated(record, ring, Path(scratch)) if record.is_fresh else None
            replaced = pseudonyms(record, subject) if fresh else []
            tables = joined(runs, patient, fresh, history, replaced)
            if tables is None:
                return FreshFeatures(encounter, patient, None, False, excluded="no-record")
            at = _moment(runs, tables, encounter, now + subject.shift)
            newest_at = _newest(runs, tables)
            table = as_known(runs, tables, at, patient)
            start = _start(runs, tables, encounter)
            excluded = _excluded(runs, patient, at) if not table.num_rows else None
            if excluded is not None and fresh is None and start is None:
                excluded = "unknown-stay"
        newest_true = None if newest_at is None else newest_at - subject.shift
        stale = None if newest_true is None else max((now - newest_true).total_seconds() / HOUR, 0.0)
        row = _row(table, start)
        return FreshFeatures(
            encounter,
            patient,
            None if row is None else {name: row[name] for name in definitions().names},
            fresh is not None,
            newest_true,
            0.0 if fresh is not None else stale,
            None if row is None else {name: row[f"{name}_age_hours"] for name in FRESH},
            excluded,
        )

    def _curated(self, record: PatientRecord, ring: Keyring, scratch: Path) -> Path | None:
        """Ingest the record; None when it has no usable patient."""
        source = scratch / "record.ndjson"
        source.touch(mode=0o600)
        source.write_text("\n".join(json.dumps(one) for one in record.resources) + "\n", encoding="utf-8")
        out = scratch / "curated"
        try:
            ingest(
                str(source),
                hospital=self.hospital,
                out=str(out),
                ring=ring,
                max_bad_share=1.0,
                zone=self.zone,
                limits=NO_LIMITS,
            )
        except UserError:
            return None
        finally:
            source.unlink()
        folder = scratch / "tables"
        curated_tables.download(str(out), folder)
        return folder


def pseudonyms(record: PatientRecord, subject: Subject) -> list[str]:
    """Return the pseudonyms of all resources of a record, used or not: their rows of the history give way."""
    return [subject.pseudonym(str(one["resourceType"]), str(one["id"])) for one in record.resources]


def joined(
    runs: DuckDb, patient: str, fresh: Path | None, history: Edition | None, replaced: list[str]
) -> Tables | None:
    """Return the patient's curated tables: rows of the record, and those of the history that it does not replace."""
    tables: Tables = {}
    for name, columns in curated_tables.COLUMNS.items():
        key = next(iter(columns))
        parts = []
        if fresh is not None:
            parts.append(_read(runs, fresh / name / f"{_only(fresh / name)}", patient))
        if history is not None:
            old = _read(runs, history.file(name), patient)
            parts.append(old.filter(old[key].notin([*replaced, ""])))
        if not parts:
            return None
        found = parts[0] if len(parts) == 1 else ibis.union(*parts)
        tables[name] = runs.keep(f"patient_{name}", found)
    people = runs.fetch(tables["patient"].count().as_table())
    return tables if people.column(0)[0].as_py() else None


def _only(folder: Path) -> str:
    return next(folder.iterdir()).name


def _read(runs: DuckDb, file: Path, patient: str) -> ibis.Table:
    table = runs.database.read_parquet(str(file))
    return table.filter(table.patient_id == patient)


def _moment(runs: DuckDb, tables: Tables, encounter: str, now: datetime) -> datetime:
    """Return as of when the stay is scored, on the shifted calendar: its end, or now while it goes on."""
    row = _encounter(runs, tables, encounter)
    ended = None if row is None else row["ended_at"]
    return now.astimezone(UTC) if ended is None or ended > now else ended


def _start(runs: DuckDb, tables: Tables, encounter: str) -> datetime | None:
    row = _encounter(runs, tables, encounter)
    return None if row is None else row["started_at"]


def _encounter(runs: DuckDb, tables: Tables, encounter: str) -> dict[str, Any] | None:
    table = tables["encounter"]
    found = runs.fetch(table.filter(table.encounter_id == encounter).select("started_at", "ended_at")).to_pylist()
    return found[0] if found else None


def _newest(runs: DuckDb, tables: Tables) -> datetime | None:
    known = ("encounter", "condition", "observation", "medication_request")
    moments = [runs.fetch(newest(tables, name).as_table())["newest"][0].as_py() for name in known]
    return max((moment for moment in moments if moment is not None), default=None)


def _excluded(runs: DuckDb, patient: str, at: datetime) -> str:
    """Return why the patient has no stay to score at a moment: the reason of the stay, or that there is none."""
    stays = runs.database.table("all_stays")
    here = stays.filter(
        (stays.patient_id == patient) & (stays.discharged_at == ibis.literal(at, stays.discharged_at.type()))
    )
    reasons = [row["exclusion_reason"] for row in runs.fetch(here.select("exclusion_reason")).to_pylist()]
    return next((str(reason).replace("_", "-") for reason in reasons if reason), "no-inpatient-stay")


def _row(table: pa.Table, start: datetime | None) -> dict[str, Any] | None:
    """Return the row of the stay that the encounter is part of; nothing when it is part of none."""
    rows = sorted(table.to_pylist(), key=lambda row: row["admitted_at"], reverse=True)
    if start is None:
        return rows[0] if rows else None
    return next((row for row in rows if row["admitted_at"] <= start), None)
