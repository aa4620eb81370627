"""One audit record for every request of a service, on record before its answer leaves.

The middleware holds the answer back until the record is committed; without a record the client gets a 503 and nothing
else. It has to be the outermost middleware, so that no other answers around it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI, Request
from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from model.io.database import sqlstate
from services.audit import chain
from services.audit.errors import AuditError, NotRecordedError
from services.audit.records import AuditEntry, Record, Service
from services.database.errors import DatabaseError
from services.problems import Problem

UNIDENTIFIED = "unidentified"
"""The caller of a request whose sender did not prove who it is."""
UNMATCHED = "unmatched"
"""The route of a request that no route matches: its path may name a patient."""
WITHOUT_RECORD = frozenset({"/healthz", "/readyz", "/metrics"})
"""Probes: they come every few seconds and answer nothing about anybody."""
HEADER = "audit-record"
START_SECONDS = 180
"""How long a service that starts waits for its database: an update creates and migrates it at the same time."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_OF_THE_REQUEST = frozenset({"request_id", "occurred_at", "service", "hospital", "route", "status"})
_NOTES = frozenset(item.name for item in fields(AuditEntry)) - _OF_THE_REQUEST
_NOT_WRITTEN = "Without an audit record nothing is answered; the service's log has the cause. Try again."

log = logging.getLogger("services.audit")


@dataclass(frozen=True)
class Caller:
    """Who sent a request: an application or a user, and their role."""

    name: str = UNIDENTIFIED
    role: str | None = None


def peer(scope: Scope) -> Caller:
    """Return the caller that the connection's certificate names (``tls_peer``), a SPIFFE URI."""
    return Caller(scope.get("tls_peer") or UNIDENTIFIED)


@dataclass(frozen=True)
class Recorder:
    """Appends the records of one service.

    Parameters
    ----------
    service, hospital
        Of every record.
    engine
        Of the hospital's database ``audit``, with a login of ``audit-writer``.
    caller
        Returns who sent a request; a handler that learns more notes ``caller`` and ``caller_role``.
    clock
        Returns the time.
    """

    service: Service
    hospital: str
    engine: Engine
    caller: Callable[[Scope], Caller] = peer
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def append(self, entry: AuditEntry, features: Sequence[bytes | None] = ()) -> Record:
        """Append a record; NotRecordedError if it is not on record."""
        try:
            with self.engine.connect() as connection:
                return chain.append(connection, entry, features)
        except SQLAlchemyError as fault:
            raise NotRecordedError(f"No connection to the audit database (SQLSTATE {sqlstate(fault)}).") from None
        except DatabaseError as fault:
            raise NotRecordedError(f"No connection to the audit database: {fault}.") from None

    def append_start(self, entry: AuditEntry, patience_seconds: float = START_SECONDS) -> Record:
        """Append the record of the service's start; wait for a database that cannot take it yet.

        Raises
        ------
        NotRecordedError
            If it is not on record after that time.
        """

        def waiting(state: RetryCallState) -> None:
            if state.attempt_number == 1 and state.outcome:
                fault = state.outcome.exception()
                log.warning("%s Waiting up to %.0f s for the database.", fault, patience_seconds)

        attempts = Retrying(
            retry=retry_if_exception_type(NotRecordedError),
            wait=wait_exponential(max=5),
            stop=stop_after_delay(patience_seconds),
            before_sleep=waiting,
            reraise=True,
        )
        return attempts(self.append, entry)


@dataclass
class RequestAudit:
    """The record of one request, while it is answered."""

    recorder: Recorder
    scope: Scope
    request_id: UUID
    occurred_at: datetime
    record: Record | None = None
    failed: bool = False
    _notes: dict[str, Any] = field(default_factory=dict)

    def note(self, **facts: Any) -> None:
        """Say more about the request: any field of AuditEntry but those that the middleware knows itself."""
        unknown = sorted(facts.keys() - _NOTES)
        if unknown:
            raise AuditError(f"A record has no {', '.join(unknown)} that a handler may set.")
        self._notes |= facts

    def append(self, *, status: int = 200, features: Sequence[bytes | None] = (), **facts: Any) -> Record:
        """Put the request on record, once, for an answer that contains the record's number.

        Parameters
        ----------
        status
            The status of the answer; an answer with another one is not sent.
        features
            The feature values of each of the scores.
        facts
            As for :meth:`note`.

        Raises
        ------
        NotRecordedError
            If it is not on record; the middleware then answers 503.
        """
        if self.record is not None:
            raise AuditError("A request has one record; append it once, at the end.")
        try:
            self.note(**facts)
            self.record = self.recorder.append(self._entry(status), features)
        except (NotRecordedError, AuditError) as fault:
            self.failed = True
            log.error("%s", fault)
            raise
        return self.record

    def _entry(self, status: int) -> AuditEntry:
        caller = self.recorder.caller(self.scope)
        known = {"caller": caller.name, "caller_role": caller.role} | self._notes
        known["outcome"] = _outcome(status, known.get("outcome"))
        try:
            return AuditEntry(
                request_id=self.request_id,
                occurred_at=self.occurred_at,
                service=self.recorder.service,
                hospital=self.recorder.hospital,
                route=_route(self.scope),
                status=status,
                **known,
            )
        except ValidationError as fault:
            where = sorted({str(error["loc"][0]) for error in fault.errors() if error["loc"]})
            raise AuditError(f"A record cannot hold what was noted of {', '.join(where)}.") from None


def audit(request: Request) -> RequestAudit:
    """Return the record of a request, to note facts or to append it."""
    found: RequestAudit = request.state.audit
    return found


def recorded(app: FastAPI, recorder: Recorder) -> None:
    """Record every request of an application. Call it after all other middleware was added."""
    app.add_middleware(RecordedRequests, recorder=recorder)


class RecordedRequests:
    """Middleware: exactly one record for every request, answered or refused.

    Parameters
    ----------
    app : ASGI application
        What answers the requests.
    recorder : Recorder
        Appends the records.
    """

    def __init__(self, app: ASGIApp, *, recorder: Recorder) -> None:
        self._app = app
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request after it is on record."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http" or (scope["path"] in WITHOUT_RECORD and scope["method"] in {"GET", "HEAD"}):
            await self._app(scope, receive, send)
            return
        made = RequestAudit(self._recorder, scope, _request_id(scope), self._recorder.clock())
        scope["state"] = {**scope.get("state", {}), "audit": made}
        held = _HeldAnswer(made, receive, send)
        try:
            await self._app(scope, receive, held.take)
        except Exception as fault:
            log.error("Unhandled %s of %s", type(fault).__name__, _route(scope))
            await held.fail()
        else:
            if not held.sent:
                await held.fail()


def caller_refused(recorder: Recorder) -> ASGIApp:
    """Return the application that answers a workload whose certificate is not of an allowed caller: 403, on record."""

    async def forbidden(scope: Scope, receive: Receive, send: Send) -> None:
        problem = Problem(403, "Caller not allowed", "This workload may not call this service.")
        await problem.response()(scope, receive, send)

    return RecordedRequests(forbidden, recorder=recorder)


class _HeldAnswer:
    """An answer that is held back until its request is on record."""

    def __init__(self, made: RequestAudit, receive: Receive, send: Send) -> None:
        self._audit = made
        self._receive = receive
        self._send = send
        self._messages: list[Message] = []
        self.sent = False

    async def take(self, message: Message) -> None:
        """Hold a part of the answer; send all of it after the last part."""
        if self.sent:
            return
        self._messages.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            await self._finish(self._messages[0]["status"])

    async def fail(self) -> None:
        """Answer 500 for what was not answered."""
        if self.sent:
            return
        problem = Problem(500, "Internal error", "The service has a fault; its log names the place.")
        if await self._on_record(500):
            await self._replace(problem)
        else:
            await self._replace(_not_written())

    async def _finish(self, status: int) -> None:
        if not await self._on_record(status):
            await self._replace(_not_written())
            return
        record = self._audit.record
        if record is not None and record.entry.status != status and status < 400:
            log.error("The answer of %s is not the one that is on record", _route(self._audit.scope))
            await self._replace(Problem(500, "Internal error", "The answer is not the one on record."))
            return
        if record is not None:
            MutableHeaders(raw=self._messages[0].setdefault("headers", [])).append(HEADER, str(record.sequence))
        self.sent = True
        for message in self._messages:
            await self._send(message)

    async def _on_record(self, status: int) -> bool:
        if self._audit.record is None and not self._audit.failed:
            try:
                await run_in_threadpool(self._audit.append, status=status)
            except (NotRecordedError, AuditError):
                return False
        return not self._audit.failed

    async def _replace(self, problem: Problem) -> None:
        self.sent = True
        await problem.response()(self._audit.scope, self._receive, self._send)


def _not_written() -> Problem:
    return Problem(503, "Audit record not written", _NOT_WRITTEN)


def _outcome(status: int, noted: object) -> object:
    """Return the outcome: what the handler noted of an answer, else what the status says."""
    if status >= 500:
        return "failed"
    if status >= 400:
        return "refused"
    return noted or "answered"


def _route(scope: Scope) -> str:
    """Return method and template of the route that matched."""
    template = getattr(scope.get("route"), "path", None)
    if template is None and scope.get("root_path"):
        template = scope["root_path"] + "/{path}"  # a mounted application, such as static files
    elif template is None and "endpoint" in scope and not scope.get("path_params"):
        template = scope["path"]  # a route without parameters, such as the OpenAPI document
    method = scope["method"] if scope["method"] in METHODS else "OTHER"
    return UNMATCHED if template is None else f"{method} {_plain(template)}"


def _plain(template: str) -> str:
    """Return a template without the convertors of its parameters, such as ``{name:path}``."""
    return "/".join(
        part.split(":")[0] + "}" if part.startswith("{") and ":" in part else part for part in template.split("/")
    )


def _request_id(scope: Scope) -> UUID:
    """Return the request's id: the gateway's, or a new one."""
    try:
        return UUID(Headers(scope=scope).get("x-request-id", ""))
    except ValueError:
        return uuid4()
