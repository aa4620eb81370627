"""Recorder of a service: appends its records to the chain, and knows who sent a request."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Scope
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from model.io.database import sqlstate
from services.audit import chain
from services.audit.errors import NotRecordedError
from services.audit.http.group_commit import GroupCommit, Written
from services.audit.records import AuditEntry, Record, Service
from services.database.errors import DatabaseError

UNIDENTIFIED = "unidentified"
"""The caller of a request whose sender did not prove who it is."""
START_SECONDS = 180
"""How long a service that starts waits for its database: an update creates and migrates it at the same time."""

log = logging.getLogger("services.audit")


@dataclass(frozen=True)
class Caller:
    """Caller of a request: an application or a user, and their role."""

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
        """Append a record, with those of other threads that wait; NotRecordedError if it is not on record."""
        return self._commits.append(chain.prepared(entry, features))

    @property
    def waiting(self) -> int:
        """How many records wait for a commit before theirs."""
        return self._commits.waiting

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

    @cached_property
    def _commits(self) -> GroupCommit:
        return GroupCommit(self._written)

    def _written(self, entries: Sequence[chain.PreparedEntry]) -> list[Written]:
        try:
            with self.engine.connect() as connection:
                return chain.append_each(connection, entries)
        except SQLAlchemyError as fault:
            reason = f" (SQLSTATE {sqlstate(fault)})"
        except DatabaseError as fault:
            reason = f": {fault}"
        return [NotRecordedError(f"No connection to the audit database{reason}.")] * len(entries)
