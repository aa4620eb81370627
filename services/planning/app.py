"""FastAPI application of discharge planning: scores, their history, feedback."""

import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, BackgroundTasks, FastAPI, Path, Query, Request
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from model.io.database import sqlstate
from services.at_once import AtOnce
from services.audit.http import RequestAudit, audit, recorded
from services.audit.records.fields import Pseudonym
from services.database.errors import DatabaseError
from services.planning import answers, history, release
from services.planning.assembly import Planning
from services.planning.feedback import overrides
from services.planning.schema import (
    FeedbackRequest,
    FeedbackResponse,
    Health,
    History,
    PurposeCode,
    Readiness,
    ScoreRequest,
    ScoreResponse,
    WorkflowName,
)
from services.planning.scoring import Outcome, ScoredOutcome
from services.problems import Application, Problem
from services.request_body import RequestBody
from services.workflows import WorkflowError, synchronous

LARGEST_BODY = 1024 * 1024
"""Bytes: the largest number of encounters with all features takes less than half."""
THREADS = 8
"""Threads that answer requests, as many as each pool has connections: more of them wait for the interpreter while one
holds the lock of the chain, and answer fewer requests in all."""
REQUESTS_AT_ONCE = 16
"""Requests at once, answered or waiting; one more is refused, and leaves no record."""
REQUEST_SECONDS = 30.0
"""Time for a request: more than the waits inside it add up to."""
DESCRIPTION = """Scores of encounters by pseudonym, from the release that was assigned to the hospital.
A score is advice: a clinician decides, and nothing is denied by it. Where the release cannot answer, the answer says
why and ranks by the LACE index."""
log = logging.getLogger("services.planning")

PROBES = ("/healthz", "/readyz")
_RETRY = {"Retry-After": "1"}
_UNAVAILABLE: dict[int | str, dict[str, object]] = {
    503: {
        "description": "A database does not answer, the audit record was not written, or there are too many requests "
        "at once; nothing was answered."
    }
}
_BODY: dict[int | str, dict[str, object]] = {
    400: {"description": "The body is not JSON."},
    403: {"description": "The workflow does not allow this use."},
    413: {"description": "The body is too large."},
    415: {"description": "The body has another media type."},
}


def create(parts: Planning) -> FastAPI:
    """Return the application."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        await run_in_threadpool(parts.refresh.start)
        if parts.shadow is not None:
            parts.shadow.start()
        yield
        parts.refresh.stop()
        if parts.shadow is not None:
            parts.shadow.stop()
        for server in (*parts.servers.values(), *parts.model_servers.values()):
            server.client.close()
        parts.engine.dispose()

    app = Application(
        title="Discharge planning",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.include_router(_scores(parts))
    app.include_router(_feedback(parts))
    app.include_router(_health(parts))
    app.add_middleware(RequestBody, largest=LARGEST_BODY)
    recorded(app, parts.recorder)
    # Outside of the record: it takes what the service is short of.
    app.add_middleware(AtOnce, most=REQUESTS_AT_ONCE, seconds=REQUEST_SECONDS, uncounted=PROBES)
    return app


def _scores(parts: Planning) -> APIRouter:
    router = APIRouter(tags=["scores"])
    # A statement by itself is one exchange with the database; a transaction has two more.
    committing = parts.engine.execution_options(isolation_level="AUTOCOMMIT")

    @router.post("/v1/scores", responses=_BODY | _UNAVAILABLE, summary="Score encounters")
    def score(request: Request, body: ScoreRequest, after: BackgroundTasks) -> ScoreResponse:
        """Score encounters, and return them in the order in which to show them."""
        record = audit(request)
        _allow(record, body.workflow, body.purpose, scores=True)
        answered = parts.scoring.answer(body.encounters)
        outcomes = answered.outcomes
        if parts.watch is not None and parts.watch.check_calls(answered.calls):
            after.add_task(parts.watch.refresh)
        with _database(committing if parts.watch is None else parts.engine) as connection:
            on_record = record.append(**answers.recorded(outcomes))
            history.add(connection, body.workflow, on_record.sequence, outcomes)
            if parts.watch is not None:
                parts.watch.observe(connection, on_record.sequence, answered.calls, answered.compared)
        parts.metrics.observe_calls(answered.calls)
        parts.metrics.observe_answers(_digests(outcomes))
        if parts.shadow is not None:
            after.add_task(parts.shadow.offer, answers.copies(outcomes, on_record.sequence))
        return answers.response(outcomes, on_record.sequence)

    @router.post(
        "/v1/models/{model}/scores",
        responses=_BODY | {404: {"description": "The hospital serves no model of this name."}} | _UNAVAILABLE,
        summary="Score encounters by a further model",
    )
    def score_by_model(
        request: Request, model: Annotated[str, Path(description="Name of the model.")], body: ScoreRequest
    ) -> ScoreResponse:
        """Score encounters by another model than the hospital's first one; no canary or shadow has a part in it."""
        record = audit(request)
        _allow(record, body.workflow, body.purpose, scores=True)
        scoring = parts.models.get(model)
        if scoring is None:
            raise Problem(404, "Unknown model", "This hospital serves no model of this name; check it.")
        # Without a score of the model, the record would not say which one was asked.
        record.note(detail=model)
        answered = scoring.answer(body.encounters)
        outcomes = answered.outcomes
        with _database(committing) as connection:
            on_record = record.append(**answers.recorded(outcomes))
            history.add(connection, body.workflow, on_record.sequence, outcomes, model)
        parts.metrics.observe_calls(answered.calls, model)
        parts.metrics.observe_answers(_digests(outcomes))
        return answers.response(outcomes, on_record.sequence)

    @router.get(
        "/v1/scores/{encounter}",
        responses={
            403: _BODY[403],
            404: {"description": "The hospital has no score of this encounter."},
            **_UNAVAILABLE,
        },
        summary="History of an encounter",
    )
    def past(
        request: Request,
        encounter: Annotated[Pseudonym, Path(description="Pseudonym of the encounter.")],
        workflow: Annotated[WorkflowName, Query()] = "discharge-worklist",
        purpose: Annotated[PurposeCode, Query()] = "TREAT",
    ) -> History:
        """Return the first model's scores of an encounter and the feedback on them, the newest first."""
        record = audit(request)
        record.note(encounter=encounter)
        _allow(record, workflow, purpose, scores=True)
        with _database(parts.engine) as connection:
            found = history.of_encounter(connection, encounter)
        if not found.scores:
            raise Problem(404, "Unknown encounter", "This hospital has no score of this encounter; check it.")
        return History(encounter=encounter, scores=found.scores, feedback=found.feedback)

    return router


def _digests(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the digests of the releases that scored encounters."""
    return [outcome.release.digest for outcome in outcomes if isinstance(outcome, ScoredOutcome)]


def _feedback(parts: Planning) -> APIRouter:
    router = APIRouter(tags=["feedback"])

    @router.post(
        "/v1/feedback",
        responses=_BODY | {404: {"description": "The record holds no score of this encounter."}} | _UNAVAILABLE,
        summary="Feedback on a score",
    )
    def feedback(request: Request, body: FeedbackRequest) -> FeedbackResponse:
        """Keep what a clinician did with a score; the same feedback sent twice is kept once."""
        record = audit(request)
        record.note(encounter=body.encounter, action=body.code)
        _allow(record, body.workflow, body.purpose)
        with _database(parts.engine) as connection:
            if not history.has_score(connection, body.encounter, body.record):
                raise Problem(404, "Unknown score", "This record holds no score of this encounter; check both.")
            new = history.add_feedback(
                connection, workflow=body.workflow, encounter=body.encounter, record=body.record, code=body.code
            )
            on_record = record.append(detail="new" if new else "repeated")
            overridden = history.release_digest(connection, body.encounter, body.record) if new else None
        if overridden is not None and body.code in overrides():
            parts.metrics.observe_override(overridden)
        return FeedbackResponse(record=on_record.sequence, repeated=not new)

    return router


def _health(parts: Planning) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Whether the process runs")
    async def healthz() -> Health:
        """Return ok."""
        return Health()

    @router.get("/readyz", responses=_UNAVAILABLE, summary="Whether requests can be answered")
    def readyz() -> Readiness:
        """Ask both databases; nothing can be answered without them."""
        for engine in (parts.engine, parts.recorder.engine):
            with _database(engine) as connection:
                connection.execute(text("SELECT 1"))
        return Readiness(release=parts.active() is not None, online_features=parts.features.available)

    return router


def _allow(record: RequestAudit, workflow: str, purpose: str, *, scores: bool = False) -> None:
    """Refuse a use that the table of workflows does not describe, and scores to a workflow of no such release."""
    record.note(workflow=workflow, purpose=purpose)
    try:
        row = synchronous(workflow)
    except WorkflowError as fault:
        raise Problem(403, "Workflow not allowed", str(fault)) from None
    if purpose != row.purpose:
        raise Problem(403, "Purpose not allowed", f"This workflow has the purpose {row.purpose.value}; use it.")
    if scores and row.release is not release.ANSWERS:
        raise Problem(
            403, "Workflow not allowed", f"This workflow is answered by no release of class {release.ANSWERS}."
        )


@contextmanager
def _database(engine: Engine) -> Iterator[Connection]:
    """Give a transaction; a database that does not answer is a 503, and nothing else is."""
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as fault:
        raise _unavailable(f"SQLSTATE {sqlstate(fault)}") from None
    except DatabaseError as fault:
        raise _unavailable(str(fault)) from None


def _unavailable(reason: str) -> Problem:
    log.error("Database unavailable: %s", reason)
    return Problem(503, "Database unavailable", "Nothing was answered; try again.", headers=_RETRY)
