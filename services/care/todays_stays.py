"""Scores of today's stays for the worklist: those that go on, and those that ended today or yesterday.

Shifted dates cannot say which stays are today's; the identity lookup can. After each ingestion, and each day, planning
is asked about all of them by pseudonym, with the features that it has online. Hooks bring newer scores later.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from model.identity_store.identity_values import local_day, search_text
from model.identity_store.lookup_tables import RUN, STAY
from services.care.context import Care
from services.care.fresh.features import FreshFeatures
from services.care.tables import SCORED_RUN
from services.care.worklist_ports import place
from services.planning.schema import MOST_ENCOUNTERS

LOCK = "care.scored_run"


def score(care: Care) -> int:
    """Score and place today's stays once for each ingestion and day; return how many were placed.

    All of them are placed in one transaction: what fails is done again the next time.

    Raises
    ------
    PlanningUnavailableError
        When planning does not answer.
    """
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
        rows = connection.execute(_stays(care, today)).all()
        for start in range(0, len(rows), MOST_ENCOUNTERS):
            _place(care, connection, rows[start : start + MOST_ENCOUNTERS], now)
        connection.execute(insert(SCORED_RUN).values(input_digest=digest, day=today))
    return len(rows)


def _stays(care: Care, today: date) -> sa.Select[Any]:
    days = (today, today - timedelta(days=1))
    ended = [one for day in days for one in care.cipher.indexes(search_text("discharge-day", day.isoformat()))]
    columns = (STAY.c.encounter, STAY.c.patient, STAY.c.unit, STAY.c.ended_at)
    return sa.select(*columns).where(STAY.c.open | STAY.c.search.overlap(ended)).order_by(STAY.c.encounter)


def _place(care: Care, connection: sa.Connection, rows: Sequence[sa.Row[Any]], now: datetime) -> None:
    scores = care.planning.score_online([(row.encounter, row.patient) for row in rows])
    sealed = [value for row in rows for value in (row.unit, row.ended_at) if value is not None]
    clear = dict(zip(sealed, care.cipher.decrypt(sealed), strict=True))
    for row in rows:
        score = scores[row.encounter]
        unit, ended_at = clear.get(row.unit), clear.get(row.ended_at)
        place(
            connection,
            FreshFeatures(row.encounter, row.patient, None, False, as_of_hours=score.freshness_hours),
            score,
            unit=unit,
            units=care.settings.units,
            ended_at=None if ended_at is None else datetime.fromisoformat(ended_at),
            now=now,
        )
