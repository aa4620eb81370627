"""A recorded day: each encounter's last score with its feature values, after all scores were rebuilt bit for bit."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from model.artifact.files import DIGEST_CHARACTERS
from services.audit import chain
from services.audit.errors import AuditError
from services.audit.records import Record, ReleaseRef, ScoredEncounter
from services.audit.replay import Model, Replay, kept_values, replay_record, require_unchanged, values_of

SERVICE = "planning"
OF_FURTHER_MODELS = "POST /v1/models/"
"""Begins the route of what further models answered, which a candidate of the first model is not compared with."""
ERASED, NO_VALUES = "erased", "without-values"


@dataclass(frozen=True)
class RecordedScore:
    """A score of a release, as it was answered.

    Parameters
    ----------
    risk, decision
        The risk and the band of it.
    release
        The release that answered.
    values
        The exact values of its features.
    """

    risk: float
    decision: str | None
    release: ReleaseRef
    values: Mapping[str, float | str | None]


@dataclass(frozen=True)
class RecordedDay:
    """Recorded day: its scores and their feature values.

    Parameters
    ----------
    answers
        Of each encounter the last score that was rebuilt; the reason where there is none.
    reproduced
        Scores that the release which answered gave again, bit for bit.
    releases
        Version and digest of the releases that answered.
    """

    answers: Mapping[str, RecordedScore | str]
    reproduced: int
    releases: frozenset[str]


def bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the start of a day in a time zone, and of the day after it."""
    start, end = (datetime.combine(day + timedelta(days=days), time(), zone) for days in (0, 1))
    return start, end


def read(
    connection: Connection,
    start: datetime,
    end: datetime,
    open_model: Callable[[ReleaseRef], Model],
    *,
    hospital: str,
) -> RecordedDay:
    """Return the scores that were recorded in a time.

    Parameters
    ----------
    connection : Connection
        A connection with a login of ``audit-reader``.
    start, end : datetime
        From the one time on, and before the other.
    open_model : callable
        Returns the release that a record names.
    hospital : str
        The hospital of the chain.

    Raises
    ------
    AuditError
        If a score is not rebuilt bit for bit, a record or values were changed, or values are missing without an
        erasure.
    """
    answers: dict[str, RecordedScore | str] = {}
    outcomes: Counter[str] = Counter()
    differing: int | None = None
    for record in chain.records(connection, since=start, until=end):
        require_unchanged(record, hospital)
        entry = record.entry
        if entry.service != SERVICE or not entry.scores or entry.route.startswith(OF_FURTHER_MODELS):
            continue
        kept = kept_values(connection, record)
        replays = replay_record(connection, record, kept, open_model)
        for score, replayed in zip(record.entry.scores, replays, strict=True):
            outcomes[replayed.outcome] += 1
            if replayed.outcome == "differs":
                differing = differing or record.sequence
            elif replayed.outcome == "same":
                answers[score.encounter] = _recorded(record, score, values_of(kept[str(score.features_digest)], score))
            elif not isinstance(answers.get(score.encounter), RecordedScore):
                answers[score.encounter] = _reason(score, replayed)
    if differing is not None:
        raise AuditError(
            f"{outcomes['differs']} of {outcomes['differs'] + outcomes['same']} scores are not rebuilt bit for bit, so "
            f"nothing is compared; see the first with python -m services.audit replay {differing}."
        )
    refs = {answer.release for answer in answers.values() if isinstance(answer, RecordedScore)}
    return RecordedDay(answers, outcomes["same"], frozenset(map(_name, refs)))


def _recorded(record: Record, score: ScoredEncounter, values: Mapping[str, float | str | None]) -> RecordedScore:
    release = score.release or record.entry.release
    if release is None or score.risk is None:
        raise AuditError(f"Record {record.sequence} names no release or no risk of a score.")
    return RecordedScore(score.risk, score.decision, release, values)


def _name(release: ReleaseRef) -> str:
    return f"{release.version}@{release.digest[:DIGEST_CHARACTERS]}"


def _reason(score: ScoredEncounter, replayed: Replay) -> str:
    """Return why there is no score to compare: ``erased``, ``fallback``, ``not-scored`` or ``without-values``."""
    if replayed.outcome == "erased":
        return ERASED
    return score.status if score.status != "scored" else NO_VALUES
