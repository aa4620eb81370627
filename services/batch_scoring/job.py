"""The nightly scoring: every stay that goes on, with the active release, on record and in planning's history."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from model.artifact.trust import trusted_keys
from model.errors import UserError
from model.io.database import sqlstate
from services.audit.http import Recorder
from services.audit.records import AuditEntry
from services.batch_scoring.local_model import LocalModel
from services.batch_scoring.settings import Settings
from services.database import connections
from services.database.errors import DatabaseError
from services.database.schemas import Schema
from services.planning import answers, history, release
from services.planning.model_client import ReleaseServer
from services.planning.online_features import OnlineFeatures
from services.planning.schema import MOST_ENCOUNTERS, EncounterRequest
from services.planning.scoring import FallbackOutcome, Outcome, ScoredOutcome, Scoring
from services.verified_release import open_verified
from services.workflows import synchronous

WORKFLOW = "discharge-worklist"
"""What the scores are for; the record's route says that nobody asked for them."""
ROUTE = "/nightly-scores"

log = logging.getLogger("services.batch_scoring")


def run(settings: Settings) -> Mapping[str, int]:
    """Score every stay that goes on; return how many were scored, ranked by LACE and not scored.

    Raises
    ------
    UserError
        If the release or the features cannot be used, or a database does not answer.
    NotRecordedError
        If a record cannot be written; the scores of that record are not kept.
    """
    scorer = open_verified(settings.release_files, settings.release)
    assigned = release.read(settings.release_files, settings.release, trusted_keys())
    source = release.ReleaseSource(lambda: assigned)
    source.refresh()
    stays = OnlineFeatures(settings.stays)
    stays.refresh()
    if not stays.available:
        raise UserError("There are no features of stays that go on; run the features job.")
    scoring = Scoring(ReleaseServer(source, LocalModel(scorer)), stays, stale_hours=settings.stale_hours)
    engine = connections.engine(settings.database(Schema.PLANNING), settings.planning_database)
    audit = connections.engine(settings.database(Schema.AUDIT), settings.audit_database)
    recorder = Recorder("planning", settings.hospital, audit)
    counts: Counter[str] = Counter(scored=0, fallback=0, not_scored=0)
    for part in _parts(stays.encounters()):
        outcomes = scoring.answer(part).outcomes
        _keep(outcomes, engine, recorder)
        counts.update(map(_kind, outcomes))
    return counts


def _parts(encounters: Sequence[tuple[str, str]]) -> Iterator[list[EncounterRequest]]:
    """Yield as many encounters as a request has, so that a record and its values have the size that others have."""
    for start in range(0, len(encounters), MOST_ENCOUNTERS):
        part = encounters[start : start + MOST_ENCOUNTERS]
        yield [EncounterRequest(encounter=encounter, patient=patient) for encounter, patient in part]


def _keep(outcomes: Sequence[Outcome], engine: Engine, recorder: Recorder) -> None:
    """Put scores on record, and then into the history of their encounters."""
    facts = answers.recorded(outcomes)
    features = facts.pop("features")
    entry = AuditEntry(
        request_id=uuid4(),
        occurred_at=datetime.now(UTC),
        service=recorder.service,
        route=ROUTE,
        workflow=WORKFLOW,
        hospital=recorder.hospital,
        caller=f"{recorder.hospital}-batch-scorer",
        purpose=synchronous(WORKFLOW).purpose.value,
        status=200,
        **facts,
    )
    try:
        with engine.begin() as connection:
            record = recorder.append(entry, features)
            history.add(connection, WORKFLOW, record.sequence, outcomes)
    except SQLAlchemyError as fault:
        raise UserError(f"The database planning does not answer (SQLSTATE {sqlstate(fault)}).") from None
    except DatabaseError as fault:
        raise UserError(f"The database planning does not answer: {fault}.") from None


def _kind(outcome: Outcome) -> str:
    match outcome:
        case ScoredOutcome():
            return "scored"
        case FallbackOutcome():
            return "fallback"
        case _:
            return "not_scored"
