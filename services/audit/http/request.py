"""The record of one request, while it is answered: what the middleware knows of it, and what its handler notes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import Request
from pydantic import ValidationError
from starlette.types import Scope

from services.audit.errors import AuditError, NotRecordedError
from services.audit.http.recorder import Recorder
from services.audit.records import AuditEntry, Record

UNMATCHED = "unmatched"
"""The route of a request that no route matches: its path may name a patient."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_OF_THE_REQUEST = frozenset({"request_id", "occurred_at", "service", "hospital", "route", "status"})
_NOTES = frozenset(item.name for item in fields(AuditEntry)) - _OF_THE_REQUEST

log = logging.getLogger("services.audit")


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
                route=route_of(self.scope),
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


def _outcome(status: int, noted: object) -> object:
    """Return the outcome: what the handler noted of an answer, else what the status says."""
    if status >= 500:
        return "failed"
    if status >= 400:
        return "refused"
    return noted or "answered"


def route_of(scope: Scope) -> str:
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
