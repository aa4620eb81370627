"""Accesses to identities, on the audit record of the request that they are for.

Every request has one record, which is written before its answer leaves. Whoever reveals an identity notes the encounter
here; outside of a request, or after its record was written, nothing is revealed.
"""

from collections.abc import Iterable
from contextvars import ContextVar

from starlette.types import ASGIApp, Receive, Scope, Send

from services.audit.http import RequestAudit
from services.audit.records import MOST_SCORES

ACTION = "reveal-identity"

_CURRENT: "ContextVar[Accesses | None]" = ContextVar("accesses", default=None)


class NotOnRecordError(Exception):
    """An identity that no audit record would name: it is not revealed."""


class Accesses:
    """The encounters whose patients one request revealed.

    Parameters
    ----------
    record
        The record of the request.
    """

    def __init__(self, record: RequestAudit) -> None:
        self._record = record
        self._encounters: dict[str, None] = {}

    @property
    def encounters(self) -> tuple[str, ...]:
        """Pseudonyms of the encounters, in order."""
        return tuple(self._encounters)

    def add(self, encounters: Iterable[str]) -> None:
        """Note encounters, before anything of their patients is decrypted.

        Raises
        ------
        NotOnRecordError
            When the record was written already, or cannot name so many.
        """
        if self._record.record is not None or self._record.failed:
            raise NotOnRecordError("The record of the request is written; reveal identities before.")
        merged = self._encounters | dict.fromkeys(encounters)
        if len(merged) > MOST_SCORES:
            raise NotOnRecordError(f"A request reveals at most {MOST_SCORES} identities; ask for fewer.")
        self._encounters = merged
        self._record.note(encounters=self.encounters)

    def by(self, subject: str, role: str, purpose: str) -> None:
        """Note who asks."""
        self._record.note(caller=subject, caller_role=role, purpose=purpose)


def current() -> Accesses:
    """Return the accesses of the request that is being answered; NotOnRecordError outside of one."""
    accesses = _CURRENT.get()
    if accesses is None:
        raise NotOnRecordError("Identities are revealed in a request only.")
    return accesses


class AccessedIdentities:
    """Middleware that gives each request its accesses; inside of the audit's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        record = scope.get("state", {}).get("audit")
        token = _CURRENT.set(Accesses(record) if record is not None else None)
        try:
            await self._app(scope, receive, send)
        finally:
            _CURRENT.reset(token)
