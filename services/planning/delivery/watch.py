"""The watch over a canary: observes each request, and stops the canary when a cause holds."""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from services.audit.records import ReleaseRef
from services.planning.delivery import observations
from services.planning.delivery.calls import Call, CallFault
from services.planning.delivery.canary import Canary
from services.planning.delivery.causes import Causes
from services.planning.delivery.observations import Answered
from services.planning.delivery.releases import Role
from services.planning.delivery.stops import Cause, Stop, Stops
from services.planning.delivery.verdict import verdict
from services.planning.release import AssignedRelease

log = logging.getLogger("services.planning")


class Watch:
    """Watches the canary of a hospital.

    Parameters
    ----------
    canary : Canary
        The canary.
    stops : Stops
        Takes its stop.
    engine : Engine
        The hospital's database ``planning``.
    causes : Causes
        The thresholds.
    reference : callable
        Returns a release as audit records name it.
    """

    def __init__(
        self,
        canary: Canary,
        stops: Stops,
        engine: sa.Engine,
        causes: Causes,
        reference: Callable[[AssignedRelease], ReleaseRef],
    ) -> None:
        self._canary, self._stops, self._engine, self._causes = canary, stops, engine, causes
        self._reference = reference
        self._computing = threading.Lock()

    def check_calls(self, calls: Sequence[Call]) -> bool:
        """Stop the canary at once if one of its answers could not have a complete record.

        Returns
        -------
        bool
            Whether a call of the canary failed: then :meth:`refresh` is due after the request.
        """
        faults = [call.fault for call in calls if call.role is Role.CANARY and call.fault is not None]
        number = faults.count(CallFault.INCOMPLETE)
        release = self._canary.release()
        if number and release is not None:
            self._stop(release, Stop(Cause.INCOMPLETE_RECORD, {"answers": number}))
        return bool(faults)

    def observe(
        self, connection: sa.Connection, record: int, calls: Sequence[Call], answered: Sequence[Answered]
    ) -> None:
        """Keep what one request says of the canary; nothing after it was stopped.

        Parameters
        ----------
        connection : Connection
            The transaction of the request.
        record : int
            Sequence of its audit record.
        calls : sequence of Call
            The calls of model servers.
        answered : sequence of Answered
            The encounters that the canary may take, and who answered.
        """
        release = self._canary.release()
        if release is not None:
            observations.add(connection, release.digest, record, calls=calls, answered=answered)

    def refresh(self) -> None:
        """Stop the canary if a cause holds over all that was observed of it."""
        release = self._canary.release()
        # One thread at a time: many requests may fail at once.
        if release is None or not self._computing.acquire(blocking=False):
            return
        try:
            self._compute(release)
        finally:
            self._computing.release()

    def _compute(self, release: AssignedRelease) -> None:
        with self._engine.connect() as connection:
            seen = observations.read(connection, release.digest)
        stop = verdict(seen, self._causes, datetime.now(UTC))
        if stop is not None:
            self._stop(release, stop)

    def _stop(self, release: AssignedRelease, stop: Stop) -> None:
        self._stops.stop(self._canary.assigned.release, self._reference(release), stop)
