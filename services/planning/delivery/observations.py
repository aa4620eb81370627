"""Observations of a canary, in the tables ``canary_calls`` and ``canary_answers``; by pseudonym, without features.

Written in the transaction of the request's history, so that what was answered is observed, by every process alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from services.planning.delivery.calls import Call, CallFault
from services.planning.delivery.releases import Role
from services.planning.delivery.verdict import AnswerSeen, CallSeen, Observations
from services.planning.feedback import overrides
from services.planning.tables import ANSWERS, CALLS, FEEDBACK, SCORES

MOST_ROWS = 100_000
"""The newest calls, and answers, that a verdict is computed from."""


@dataclass(frozen=True)
class Answered:
    """An encounter that the canary may take, and who answered it."""

    encounter: str
    role: Role


def add(
    connection: sa.Connection, digest: str, record: int, *, calls: Sequence[Call], answered: Sequence[Answered]
) -> None:
    """Add what was observed in one request.

    Parameters
    ----------
    connection : Connection
        The transaction of the request on the hospital's database ``planning``.
    digest : str
        Whole digest of the canary.
    record : int
        Sequence of the request's audit record.
    calls : sequence of Call
        The calls of model servers.
    answered : sequence of Answered
        The encounters that were scored and that the canary may take.
    """
    if calls:
        connection.execute(
            sa.insert(CALLS),
            [
                {
                    "digest": digest,
                    "role": call.role.value,
                    "encounters": call.encounters,
                    "milliseconds": call.milliseconds,
                    "fault": call.fault.value if call.fault else None,
                }
                for call in calls
            ],
        )
    if answered:
        connection.execute(
            sa.insert(ANSWERS),
            [
                {"digest": digest, "role": one.role.value, "encounter": one.encounter, "record": record}
                for one in answered
            ],
        )


def read(connection: sa.Connection, digest: str) -> Observations:
    """Return what was observed of a canary, in the order of time."""
    return Observations(tuple(_calls(connection, digest)), tuple(_answers(connection, digest)))


def _calls(connection: sa.Connection, digest: str) -> Iterable[CallSeen]:
    newest = sa.select(CALLS).where(CALLS.c.digest == digest).order_by(CALLS.c.id.desc()).limit(MOST_ROWS)
    for row in reversed(connection.execute(newest).all()):
        yield CallSeen(Role(row.role), row.milliseconds, CallFault(row.fault) if row.fault else None)


def _answers(connection: sa.Connection, digest: str) -> Iterable[AnswerSeen]:
    """Yield each encounter's first answer, with the first override of a score by the same release."""
    newest = sa.select(ANSWERS).where(ANSWERS.c.digest == digest).order_by(ANSWERS.c.id.desc()).limit(MOST_ROWS)
    seen = newest.subquery("seen")
    overridden = (
        sa.select(seen.c.encounter, seen.c.role, sa.func.min(FEEDBACK.c.received_at).label("at"))
        .join(FEEDBACK, sa.and_(FEEDBACK.c.encounter == seen.c.encounter, FEEDBACK.c.record == seen.c.record))
        .where(FEEDBACK.c.code.in_(list(overrides())))
        .group_by(seen.c.encounter, seen.c.role)
        .subquery("overridden")
    )
    first = (
        sa.select(seen.c.id, seen.c.encounter, seen.c.role, seen.c.record)
        .distinct(seen.c.encounter)
        .order_by(seen.c.encounter, seen.c.id)
        .subquery("first")
    )
    rows = (
        sa.select(first.c.role, SCORES.c.risk, SCORES.c.scored_at, overridden.c.at)
        .join(SCORES, sa.and_(SCORES.c.encounter == first.c.encounter, SCORES.c.record == first.c.record))
        .outerjoin(overridden, sa.and_(overridden.c.encounter == first.c.encounter, overridden.c.role == first.c.role))
        .order_by(first.c.id)
    )
    for row in connection.execute(rows):
        yield AnswerSeen(Role(row.role), row.risk, row.scored_at, row.at)
