"""FastAPI application of discharge planning: scores, their history, feedback."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, FastAPI, Path, Query, Request
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from model.artifact.trust import TRUSTED_KEYS, trusted_keys
from model.errors import UserError
from model.io.database import sqlstate
from services.audit.http import Recorder, RequestAudit, audit, recorded
from services.database import connections
from services.database.errors import DatabaseError
from services.database.schemas import Schema
from services.planning import answers, history, release
from services.planning.delivery.canary import Canary
from services.planning.delivery.causes import Causes, causes
from services.planning.delivery.releases import Assigned, Role
from services.planning.delivery.stops import Stops
from services.planning.delivery.watch import Watch
from services.planning.model_client import ModelClient, ReleaseServer
from services.planning.online_features import OnlineFeatures
from services.planning.refresh import Refresh
from services.planning.schema import (
    FeedbackRequest,
    FeedbackResponse,
    Health,
    History,
    Pseudonym,
    PurposeCode,
    Readiness,
    ScoreRequest,
    ScoreResponse,
    WorkflowName,
)
from services.planning.scoring import Scoring
from services.planning.settings import Settings
from services.problems import Problem, install
from services.request_body import RequestBody
from services.workflows import WorkflowError, synchronous

LARGEST_BODY = 1024 * 1024
"""Bytes: the largest number of encounters with all features takes less than half."""
DESCRIPTION = """Scores of encounters by pseudonym, from the release that was assigned to the hospital.
A score is advice: a clinician decides, and nothing is denied by it. Where the release cannot answer, the answer says
why and ranks by the LACE index."""
log = logging.getLogger("services.planning")

_RETRY = {"Retry-After": "1"}
_UNAVAILABLE: dict[int | str, dict[str, Any]] = {
    503: {"description": "A database does not answer, or the audit record was not written; nothing was answered."}
}
_BODY: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is not JSON."},
    403: {"description": "The workflow does not allow this use."},
    413: {"description": "The body is too large."},
    415: {"description": "The body has another media type."},
}


@dataclass(frozen=True)
class Planning:
    """What the routes need.

    Attributes
    ----------
    settings
        The hospital's settings.
    scoring, features
        Scores, the online features.
    engine
        The hospital's database ``planning``.
    recorder
        Appends to the hospital's audit chain.
    servers
        The assigned releases and their model servers, by role.
    watch, stops
        The watch over the canary, where there is one, and the canaries that were stopped.
    refresh
        Reads release and features beside the requests.
    """

    settings: Settings
    scoring: Scoring
    features: OnlineFeatures
    engine: Engine
    recorder: Recorder
    servers: Mapping[Role, ReleaseServer]
    watch: Watch | None
    stops: Stops
    refresh: Refresh

    def active(self) -> release.AssignedRelease | None:
        """Return the active release, or None while there is none that could be read."""
        server = self.servers.get(Role.ACTIVE)
        return server.source.get() if server else None


def planning(
    settings: Settings, model_client: Callable[[Role], httpx.Client], stop_causes: Causes | None = None
) -> Planning:
    """Return the parts of the service.

    Parameters
    ----------
    settings : Settings
        The hospital's settings.
    model_client : callable
        Returns a client that verifies the identity of a role's model server.
    stop_causes : Causes, optional
        What stops a canary, in place of the table.
    """
    features = OnlineFeatures(settings.online_features)
    engine = connections.engine(settings.database(Schema.PLANNING), settings.planning_database)
    audit_engine = connections.engine(settings.database(Schema.AUDIT), settings.audit_database)
    recorder = Recorder("planning", settings.hospital, audit_engine)
    stops = Stops(engine, recorder)
    servers: dict[Role, ReleaseServer] = {
        role: _server(assigned, model_client(role), settings.budget_milliseconds / 1000)
        for role, assigned in settings.releases.by_role()
        if role is not Role.PREVIOUS
    }
    if Role.ACTIVE not in servers:
        log.warning("The hospital has no active release (RELEASES); patients are ranked by LACE")
    assigned_canary = settings.releases.canary
    canary = Canary(assigned_canary, servers[Role.CANARY], stops) if assigned_canary else None
    watch = Watch(canary, stops, engine, stop_causes or causes(), answers.release_ref) if canary else None
    sources = [server.source.refresh for server in servers.values()]
    return Planning(
        settings=settings,
        scoring=Scoring(servers.get(Role.ACTIVE), features, stale_hours=settings.stale_hours, canary=canary),
        features=features,
        engine=engine,
        recorder=recorder,
        servers=servers,
        watch=watch,
        stops=stops,
        refresh=Refresh([*sources, features.refresh, stops.refresh, *([watch.refresh] if watch else [])]),
    )


def create(parts: Planning) -> FastAPI:
    """Return the application."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(parts.refresh.start)
        yield
        parts.refresh.stop()
        for server in parts.servers.values():
            server.client.close()
        parts.engine.dispose()

    app = FastAPI(
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
    install(app)
    app.add_middleware(RequestBody, largest=LARGEST_BODY)
    recorded(app, parts.recorder)
    return app


def _scores(parts: Planning) -> APIRouter:
    router = APIRouter(tags=["scores"])

    @router.post("/v1/scores", responses=_BODY | _UNAVAILABLE, summary="Score encounters")
    def score(request: Request, body: ScoreRequest) -> ScoreResponse:
        """Score encounters, and return them in the order in which to show them."""
        record = audit(request)
        _allow(record, body.workflow, body.purpose, scores=True)
        answered = parts.scoring.answer(body.encounters)
        outcomes = answered.outcomes
        if parts.watch is not None:
            parts.watch.check_calls(answered.calls)
        with _database(parts.engine) as connection:
            on_record = record.append(**answers.recorded(outcomes))
            history.add(connection, body.workflow, on_record.sequence, outcomes)
            if parts.watch is not None:
                parts.watch.observe(connection, on_record.sequence, answered.calls, answered.compared)
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
        """Return the scores of an encounter and the feedback on them, the newest first."""
        record = audit(request)
        record.note(encounter=encounter)
        _allow(record, workflow, purpose, scores=True)
        with _database(parts.engine) as connection:
            found = history.of_encounter(connection, encounter)
        if not found.scores:
            raise Problem(404, "Unknown encounter", "This hospital has no score of this encounter; check it.")
        return History(encounter=encounter, scores=found.scores, feedback=found.feedback)

    return router


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
        return FeedbackResponse(record=on_record.sequence, repeated=not new)

    return router


def _health(parts: Planning) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Whether the process runs")
    def healthz() -> Health:
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


def _server(assigned: Assigned, http: httpx.Client, budget_seconds: float) -> ReleaseServer:
    return ReleaseServer(
        release.ReleaseSource(lambda: _verified(assigned)), ModelClient(http, assigned.inference_url, budget_seconds)
    )


def _verified(assigned: Assigned) -> release.AssignedRelease:
    keys = trusted_keys()
    if keys is None:
        raise UserError(f"{TRUSTED_KEYS} is empty, so no release can be trusted; set the hospital's public keys")
    return release.read(assigned.files, assigned.release, keys)
