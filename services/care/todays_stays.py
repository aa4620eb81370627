"""Scores of today's stays for the worklist: those that go on, and those that ended today or yesterday.

Shifted dates cannot say which stays are today's; the identity lookup can. After each ingestion, and each day, planning
is asked about all of them by pseudonym, with the features that it has online. It has those of discharges that the
features step has seen; for any other stay care computes them from the curated tables, as of now or of the stay's end.
An encounter that is no inpatient stay is not placed. Hooks bring newer scores later.

Where the model does not answer, stays are placed with their LACE index and asked about again until it does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from model.definitions.features import definitions
from model.identity_store.identity_values import local_day, search_text
from model.identity_store.lookup_tables import IDENTITY, RUN, STAY
from services.care.context import Care
from services.care.fresh.features import FreshFeatures
from services.care.fresh.history import Edition
from services.care.fresh.patient_record import NEEDED, PatientRecord
from services.care.planning_client import WORKLIST
from services.care.tables import CARD, SCORED_RUN
from services.care.worklist_ports import cohort_of, place
from services.planning.model_client import FallbackReason
from services.planning.schema import MOST_ENCOUNTERS, AnyScore, Cohort, Fallback, NotScored

LOCK = "care.scored_run"
NO_FEATURES = "no-features"
PASSING = (FallbackReason.MODEL_UNAVAILABLE, FallbackReason.MODEL_SLOW)
"""Reasons for which a stay is asked about again."""

Placed = tuple[FreshFeatures, AnyScore]


@dataclass
class Waiting:
    """Stays that were placed without a score of the model, which did not answer.

    It is this process's own: after a restart all stays of the run are asked about again.

    Parameters
    ----------
    run
        Digest of the ingestion, and day.
    encounters
        Pseudonyms of their encounters.
    """

    run: tuple[str, date] | None = None
    encounters: frozenset[str] = field(default_factory=frozenset)


def score(care: Care, waiting: Waiting | None = None) -> int:
    """Score and place today's stays once for each ingestion and day; return how many were placed.

    What fails is done again the next time.

    Parameters
    ----------
    care : Care
        The collaborators of care.
    waiting : Waiting, optional
        What the last call left; it is changed.

    Raises
    ------
    PlanningUnavailableError
        When planning does not answer.
    """
    waiting = waiting if waiting is not None else Waiting()
    now = care.clock()
    today = date.fromisoformat(local_day(now, care.zone))
    with care.engine.begin() as connection:
        # Of several processes one does it.
        if not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(sa.func.hashtext(LOCK)))):
            return 0
        digest = connection.scalar(sa.select(RUN.c.input_digest).where(RUN.c.hospital == care.settings.hospital))
        done = sa.select(SCORED_RUN.c.day).where(SCORED_RUN.c.input_digest == digest, SCORED_RUN.c.day == today)
        if digest is None or connection.scalar(done) is not None:
            return 0
        edition = care.history.edition()
        if edition is not None and edition.manifest.input_digest != digest:
            return 0  # this ingestion publishes its tables after the lookup
        again = waiting.run == (digest, today)
        rows = _inpatient(connection.execute(_stays(care, today)).all(), edition)
        if again:
            rows = _without_card(connection, [row for row in rows if row.encounter in waiting.encounters])
        placed: list[Placed] = []
        for start in range(0, len(rows), MOST_ENCOUNTERS):
            placed += _place(care, connection, rows[start : start + MOST_ENCOUNTERS], edition, now, again=again)
        missed = frozenset(features.encounter for features, answer in placed if _is_passing(answer))
        if not missed:
            connection.execute(insert(SCORED_RUN).values(input_digest=digest, day=today))
    waiting.run, waiting.encounters = (digest, today), missed
    return len(placed) - (len(missed) if again else 0)


def _is_passing(answer: AnyScore) -> bool:
    """Return whether the model did not answer, and may later."""
    return isinstance(answer, Fallback | NotScored) and answer.fallback_reason in PASSING


def _without_card(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> Sequence[sa.Row[Any]]:
    """Return the stays of which no hook has brought a newer score."""
    query = sa.select(CARD.c.encounter).where(CARD.c.encounter.in_([row.encounter for row in rows]))
    shown = set(connection.scalars(query))
    return [row for row in rows if row.encounter not in shown]


def _stays(care: Care, today: date) -> sa.Select[Any]:
    days = (today, today - timedelta(days=1))
    ended = [one for day in days for one in care.cipher.indexes(search_text("discharge-day", day.isoformat()))]
    columns = (
        STAY.c.encounter,
        STAY.c.patient,
        STAY.c.unit,
        STAY.c.ended_at,
        STAY.c.encounter_id,
        IDENTITY.c.patient_id,
    )
    query = sa.select(*columns).outerjoin(IDENTITY, IDENTITY.c.patient == STAY.c.patient)
    return query.where(STAY.c.open | STAY.c.search.overlap(ended)).order_by(STAY.c.encounter)


def _inpatient(rows: Sequence[sa.Row[Any]], edition: Edition | None) -> Sequence[sa.Row[Any]]:
    """Return the stays without visits, which the lookup has too; all of them without curated tables."""
    if edition is None or not rows:
        return rows
    asked = [("encounter_id", "in", [row.encounter for row in rows])]
    table = pq.read_table(edition.file("encounter"), columns=["encounter_id", "class"], filters=asked)
    classes = {row["encounter_id"]: row["class"] for row in table.to_pylist()}
    return [row for row in rows if classes.get(row.encounter) in definitions().stay.classes]


def _place(
    care: Care,
    connection: sa.Connection,
    rows: Sequence[sa.Row[Any]],
    edition: Edition | None,
    now: datetime,
    *,
    again: bool,
) -> list[Placed]:
    """Place stays, and return them; those that are asked about again only with a score of the model."""
    clear = care.cipher.decrypt_recorded([value for row in rows for value in (row.unit, row.ended_at)])
    cohorts = [cohort_of(unit, care.settings.canary_units) for unit in clear[::2]]
    stays = [(row.encounter, row.patient, cohort) for row, cohort in zip(rows, cohorts, strict=True)]
    online = care.planning.score_online(stays)
    placed = []
    for row, unit, ended_at, cohort in zip(rows, clear[::2], clear[1::2], cohorts, strict=True):
        found = _scored(care, row, online[row.encounter], edition, now, cohort)
        if found is None:
            continue
        placed.append(found)
        if again and _is_passing(found[1]):
            continue
        place(
            connection,
            *found,
            unit=unit,
            units=care.settings.units,
            ended_at=None if ended_at is None else datetime.fromisoformat(ended_at),
            now=now,
        )
    return placed


def _scored(
    care: Care, row: sa.Row[Any], online: AnyScore, edition: Edition | None, now: datetime, cohort: Cohort | None
) -> Placed | None:
    """Return a stay with its score; nothing for an encounter that is no stay."""
    if not (isinstance(online, NotScored) and online.not_scored_reason == NO_FEATURES) or edition is None:
        return FreshFeatures(row.encounter, row.patient, None, False, as_of_hours=online.freshness_hours), online
    patient_id, encounter_id = care.cipher.decrypt_recorded([row.patient_id, row.encounter_id])
    # The ids are needed for the patient's shift; they are shown to nobody.
    record = PatientRecord(patient_id or "", encounter_id or "", missing=NEEDED)
    features = replace(care.features.features(record, edition, now), encounter=row.encounter, patient=row.patient)
    if features.features is None:
        return None
    return features, care.planning.score(features, workflow=WORKLIST, cohort=cohort)
