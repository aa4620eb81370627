"""Stops of canaries: rows of the table ``canary_stops``, which every process of planning reads, and audit records.

A stop is for good: no login of the service may change or remove it, and only a release of another digest is a canary
again. A canary answers nobody in a process that has not read the stops yet.
"""

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from uuid import uuid4

import sqlalchemy as sa

from services.audit.http import Recorder
from services.audit.records import AuditEntry, ConfigurationRef, ReleaseRef
from services.planning.tables import STOPS

ROUTE, ACTION = "/canary-stop", "canary-stop"
LOCK = "planning.canary_stops"

log = logging.getLogger("services.planning")

Figures = Mapping[str, float | int]


class Cause(StrEnum):
    """Cause of a canary's stop."""

    ERROR_RATE = "error-rate"
    LATENCY = "latency"
    SCORE_SHIFT = "score-shift"
    OVERRIDE_RATE = "override-rate"
    INCOMPLETE_RECORD = "incomplete-record"


@dataclass(frozen=True)
class Stop:
    """A cause that holds, with the figures that it was computed from."""

    cause: Cause
    figures: Figures


class Stops:
    """The stopped canaries; safe to use from several threads.

    Parameters
    ----------
    engine : Engine
        The hospital's database ``planning``.
    recorder : Recorder
        Appends to the hospital's audit chain.
    """

    def __init__(self, engine: sa.Engine, recorder: Recorder) -> None:
        self._engine, self._recorder = engine, recorder
        self._lock = threading.Lock()
        self._stopped: dict[str, str] | None = None
        # Stops that are not in the database yet, which did not answer.
        self._unwritten: dict[str, tuple[str, ReleaseRef, Stop]] = {}

    def allows(self, digest: str) -> bool:
        """Return whether a release is known not to be stopped."""
        return self._stopped is not None and digest not in self._stopped and digest not in self._unwritten

    def cause(self, digest: str) -> str | None:
        """Return the cause for which a release is known to be stopped; the beginning of its digest is enough."""
        unwritten = {whole: stop.cause.value for whole, (_, _, stop) in list(self._unwritten.items())}
        causes = unwritten | (self._stopped or {})
        return next((cause for whole, cause in causes.items() if whole.startswith(digest)), None)

    def refresh(self) -> None:
        """Write what is not written yet, and read the stops of all processes."""
        for digest, (assigned, release, stop) in list(self._unwritten.items()):
            self._write(digest, assigned, release, stop)
        with self._engine.connect() as connection:
            self._add({row.digest: row.cause for row in connection.execute(sa.select(STOPS.c.digest, STOPS.c.cause))})

    def stop(self, assigned: str, release: ReleaseRef, stop: Stop) -> None:
        """Stop a canary: at once in this process, and in the others when they read the table.

        Parameters
        ----------
        assigned : str
            The release as the hospital's entry names it.
        release : ReleaseRef
            The release as audit records name it.
        stop : Stop
            Why.
        """
        self._unwritten.setdefault(release.digest, (assigned, release, stop))
        log.error("The canary %s is stopped: %s", assigned, stop.cause.value)
        try:
            self._write(release.digest, assigned, release, stop)
        except Exception as fault:
            # It is stopped in this process; the next refresh writes it.
            log.error("The stop of the canary is not written yet: %s", type(fault).__name__)

    def _write(self, digest: str, assigned: str, release: ReleaseRef, stop: Stop) -> None:
        """Append the audit record and add the row, once for all processes."""
        figures = dict(stop.figures)
        with self._engine.begin() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(LOCK))))
            cause = connection.scalar(sa.select(STOPS.c.cause).where(STOPS.c.digest == digest))
            if cause is None:
                record = self._recorder.append(self._entry(release, stop.cause, figures))
                connection.execute(
                    sa.insert(STOPS).values(
                        digest=digest,
                        release=assigned,
                        cause=stop.cause.value,
                        figures=figures,
                        record=record.sequence,
                    )
                )
        self._add({digest: cause or stop.cause.value})
        self._unwritten.pop(digest, None)

    def _add(self, causes: Mapping[str, str]) -> None:
        with self._lock:
            self._stopped = (self._stopped or {}) | dict(causes)

    def _entry(self, release: ReleaseRef, cause: Cause, figures: Figures) -> AuditEntry:
        content = json.dumps(figures, sort_keys=True).encode()
        return AuditEntry(
            request_id=uuid4(),
            occurred_at=datetime.now(UTC),
            service="planning",
            route=ROUTE,
            hospital=self._recorder.hospital,
            caller=f"{self._recorder.hospital}-planning",
            outcome="answered",
            status=200,
            action=ACTION,
            detail=cause.value,
            release=release,
            configuration=(ConfigurationRef(component="stop-figures", digest=sha256(content).hexdigest()),),
        )
