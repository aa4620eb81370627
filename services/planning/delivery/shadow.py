"""The shadow of a hospital: a release that gets copies of requests after they were answered, and answers nobody.

A thread of its own asks it, from a queue of bounded length, with a client of its own: neither a slow shadow nor a full
queue keeps a request waiting. A copy that finds the queue full is dropped and counted. What is kept is how the shadow's
answer differs, without the values of features.
"""

import logging
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from services.planning.delivery.calls import Call, CallFault, call_fault
from services.planning.delivery.choice import in_share
from services.planning.delivery.metrics import Metrics
from services.planning.delivery.releases import AssignedShadow, Role
from services.planning.model_client import ModelFailureError, ReleaseServer
from services.planning.release import AssignedRelease
from services.planning.tables import DIFFERENCES, DROPS

MOST_WAITING = 200
"""Copies that wait; each holds the features of one encounter."""
MOST_AT_ONCE = 25
"""Copies that the shadow is asked about at once."""

log = logging.getLogger("services.planning")


@dataclass(frozen=True)
class Copy:
    """A copy of an encounter's request, and what it was answered with.

    Parameters
    ----------
    encounter
        Pseudonym.
    record
        Sequence of the request's audit record.
    values
        The features that the answer was computed from.
    risk, decision, milliseconds
        The answer, and the time of the call that gave it.
    """

    encounter: str
    record: int
    values: Mapping[str, float | None]
    risk: float
    decision: str
    milliseconds: float


class Shadow:
    """Asks the shadow about copies, and keeps the differences.

    Parameters
    ----------
    assigned : AssignedShadow
        Release and share.
    server : ReleaseServer
        The release, read and verified, and its server; of nobody else, so that it takes no connection from a request.
    engine : Engine
        The hospital's database ``planning``.
    metrics : Metrics
        Counts its calls.
    """

    def __init__(self, assigned: AssignedShadow, server: ReleaseServer, engine: sa.Engine, metrics: Metrics) -> None:
        self._assigned, self._server, self._engine, self._metrics = assigned, server, engine, metrics
        self._copies: queue.Queue[Copy | None] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._dropped = 0
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end after what it works on; copies that wait are not asked about."""
        while True:
            try:
                self._copies.put_nowait(None)
                return
            except queue.Full:
                # The thread may have taken it meanwhile.
                with suppress(queue.Empty):
                    self._copies.get_nowait()
                    self._drop(1)

    def offer(self, copies: Sequence[Copy]) -> None:
        """Take copies of a request that was answered; those beyond the bound are dropped."""
        for one in copies:
            if in_share(one.encounter, self._assigned.digest, self._assigned.percent):
                try:
                    self._copies.put_nowait(one)
                except queue.Full:
                    self._drop(1)

    def wait(self) -> None:
        """Wait until all copies that were offered are compared or dropped."""
        self._copies.join()

    def refresh(self) -> None:
        """Keep how many copies were dropped since the last time."""
        with self._lock:
            dropped = self._dropped
        if dropped:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(DROPS).values(release=self._assigned.release, copies=dropped))
            self._drop(-dropped)

    def _drop(self, number: int) -> None:
        with self._lock:
            self._dropped += number

    def _work(self) -> None:
        while True:
            taken = [self._copies.get()]
            while len(taken) < MOST_AT_ONCE and taken[-1] is not None:
                try:
                    taken.append(self._copies.get_nowait())
                except queue.Empty:
                    break
            copies = [one for one in taken if one is not None]
            try:
                self._compare(copies)
            except Exception as fault:
                # Its text may hold what was sent; the answers have left, so nobody waits for this.
                log.error("Copies could not be compared: %s", type(fault).__name__)
                self._drop(len(copies))
            finally:
                for _ in taken:
                    self._copies.task_done()
            if len(copies) < len(taken):
                return

    def _compare(self, copies: Sequence[Copy]) -> None:
        release = self._server.source.get()
        if release is None:
            self._drop(len(copies))
            return
        # A shadow that takes another feature than the release that answered cannot be asked from its copy.
        usable = [one for one in copies if all(name in one.values for name in release.contract.names)]
        self._drop(len(copies) - len(usable))
        if usable:
            rows = self._rows(release, usable)
            with self._engine.begin() as connection:
                connection.execute(sa.insert(DIFFERENCES), rows)

    def _rows(self, release: AssignedRelease, copies: Sequence[Copy]) -> list[dict[str, object]]:
        columns = {name: [one.values[name] for one in copies] for name in release.contract.names}
        scores: Sequence[tuple[float, str] | None] = [None] * len(copies)
        fault: CallFault | None = None
        begin = time.monotonic()
        try:
            answer = self._server.client.score(release, columns)
            scores = [(score.risk, score.decision) for score in answer.scores]
        except ModelFailureError as failure:
            fault = call_fault(failure)
        taken = (time.monotonic() - begin) * 1000
        self._metrics.observe_calls([Call(Role.SHADOW, len(copies), taken, fault)])
        return [
            {
                "digest": release.digest,
                "encounter": one.encounter,
                "record": one.record,
                "risk_difference": score[0] - one.risk if score else None,
                "decision": one.decision,
                "shadow_decision": score[1] if score else None,
                "milliseconds": one.milliseconds,
                "shadow_milliseconds": taken,
                "fault": fault.value if fault else None,
            }
            for one, score in zip(copies, scores, strict=True)
        ]
