"""Scores that were answered, and the feedback on them, in the schema ``planning``; by pseudonym, without features."""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from services.planning.answers import past_reasons
from services.planning.delivery.releases import FIRST_MODEL
from services.planning.schema import MOST_SCORES, PastFeedback, PastScore
from services.planning.scoring import FallbackOutcome, NotScoredOutcome, Outcome, ScoredOutcome
from services.planning.tables import FEEDBACK, SCORES


@dataclass(frozen=True)
class Past:
    """History of one encounter, the newest first."""

    scores: list[PastScore]
    feedback: list[PastFeedback]


def add(
    connection: sa.Connection, workflow: str, record: int, outcomes: Iterable[Outcome], model: str | None = None
) -> None:
    """Add what one request was answered.

    Parameters
    ----------
    connection : Connection
        A transaction on the hospital's database ``planning``.
    workflow : str
        The use.
    record : int
        Sequence of the request's audit record.
    outcomes : iterable of Outcome
        What was answered.
    model : str, optional
        Name of the further model that was asked, which its rows have in place of the release's own.
    """
    named = {"model": model} if model else {}
    rows = [{"record": record, "workflow": workflow} | _row(outcome) | named for outcome in outcomes]
    # One row is one exchange with the database; a list of rows takes several.
    connection.execute(sa.insert(SCORES), rows if len(rows) > 1 else rows[0])


def of_encounter(connection: sa.Connection, encounter: str) -> Past:
    """Return the newest scores of an encounter and the feedback on it; nothing of one that was never asked about.

    Scores of further models are not among them: who sees the worklist did not ask for these.
    """
    of_first = sa.or_(SCORES.c.model.is_(None), SCORES.c.model.startswith(f"{FIRST_MODEL}-"))
    scores = connection.execute(
        sa.select(SCORES)
        .where(SCORES.c.encounter == encounter, of_first)
        .order_by(SCORES.c.id.desc())
        .limit(MOST_SCORES)
    )
    feedback = connection.execute(
        sa.select(FEEDBACK).where(FEEDBACK.c.encounter == encounter).order_by(FEEDBACK.c.id.desc()).limit(MOST_SCORES)
    )
    left_out = {"id", "encounter"}
    return Past(
        [PastScore.model_validate({k: v for k, v in row.items() if k not in left_out}) for row in scores.mappings()],
        [PastFeedback.model_validate({k: v for k, v in r.items() if k not in left_out}) for r in feedback.mappings()],
    )


def has_score(connection: sa.Connection, encounter: str, record: int) -> bool:
    """Return whether a record holds a score of an encounter."""
    found = sa.select(sa.literal(1)).where(SCORES.c.encounter == encounter, SCORES.c.record == record)
    return connection.execute(found).first() is not None


def release_digest(connection: sa.Connection, encounter: str, record: int) -> str | None:
    """Return the digest of the release that gave a record's score of an encounter; None if no release did."""
    found = sa.select(SCORES.c.digest).where(SCORES.c.encounter == encounter, SCORES.c.record == record)
    return connection.scalar(found)


def add_feedback(connection: sa.Connection, *, workflow: str, encounter: str, record: int, code: str) -> bool:
    """Add feedback on a score; return whether it is new, because a form may be sent twice."""
    row = {"workflow": workflow, "encounter": encounter, "record": record, "code": code}
    added = insert(FEEDBACK).values(row).on_conflict_do_nothing(constraint="feedback_once").returning(FEEDBACK.c.id)
    return connection.execute(added).first() is not None


def _row(outcome: Outcome) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(
        ("risk", "decision", "lace", "model", "version", "digest", "threshold", "fallback_reason", "not_scored_reason")
    )
    row |= {
        "encounter": outcome.request.encounter,
        "freshness_hours": outcome.freshness_hours,
        "reasons": [],
    }
    match outcome:
        case ScoredOutcome(score=score, release=release):
            row |= {
                "status": "scored",
                "risk": score.risk,
                "decision": score.decision,
                "reasons": past_reasons(score),
                "model": release.model,
                "version": release.version,
                "digest": release.digest,
                "threshold": release.band(score.risk).start,
            }
        case FallbackOutcome():
            row |= {"status": "fallback", "lace": outcome.lace, "fallback_reason": outcome.reason.value}
        case NotScoredOutcome():
            fallback = outcome.fallback.value if outcome.fallback else None
            row |= {"status": "not-scored", "not_scored_reason": outcome.reason, "fallback_reason": fallback}
    return row
