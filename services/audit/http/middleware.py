"""Middleware that holds an answer back until its request is on record.

Without a record the client gets a 503 and nothing else. It has to be the outermost middleware, so that no other answers
around it.
"""

import logging
from uuid import UUID, uuid4

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.audit.errors import AuditError, NotRecordedError
from services.audit.http.recorder import Recorder
from services.audit.http.request import RequestAudit, route_of
from services.problems import Problem

WITHOUT_RECORD = frozenset({"/healthz", "/readyz", "/metrics"})
"""Probes: they come every few seconds and answer nothing about anybody."""
HEADER = "audit-record"

_NOT_WRITTEN = "Without an audit record nothing is answered; the service's log has the cause. Try again."

log = logging.getLogger("services.audit")


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
            log.error("Unhandled %s of %s", type(fault).__name__, route_of(scope))
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
            log.error("The answer of %s is not the one that is on record", route_of(self._audit.scope))
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


def _request_id(scope: Scope) -> UUID:
    """Return the request's id: the gateway's, or a new one."""
    try:
        return UUID(Headers(scope=scope).get("x-request-id", ""))
    except ValueError:
        return uuid4()
