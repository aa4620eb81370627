"""Group commit: the records that wait at the same time are committed by one of their threads, with one flush.

A commit holds the lock of the hospital's chain until the disk has it. Records that came one by one would each wait for
the flushes of all before them; together they wait for the one that is under way, and share the next.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.audit.chain import LOCK_MILLISECONDS, PreparedEntry
from services.audit.errors import NotRecordedError
from services.audit.records import Record

WAIT_SECONDS = LOCK_MILLISECONDS / 1000
"""How long a record waits for the commit before its own: as long as for the commits of other services, since the same
slow flush may be under way (:data:`services.audit.chain.LOCK_MILLISECONDS`)."""

Written = Record | NotRecordedError


@dataclass(eq=False)
class _Waiting:
    """A record that is to be written, and what became of it."""

    entry: PreparedEntry
    written: Written | None = None


class GroupCommit:
    """Writes the records of one service, those that wait at the same time together; safe to use from several threads.

    It has no thread of its own: whoever finds nobody writing writes for all that wait. Each thread waits with one
    record, so no more wait than the service has threads.

    Parameters
    ----------
    write : callable
        Commits some entries, and returns for each, in order, its record or why it is not on record.
    wait_seconds : float
        How long an entry waits for the commit before its own.
    """

    def __init__(
        self, write: Callable[[Sequence[PreparedEntry]], Sequence[Written]], wait_seconds: float = WAIT_SECONDS
    ) -> None:
        self._write, self._wait_seconds = write, wait_seconds
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._writing = False

    @property
    def waiting(self) -> int:
        """How many entries wait for the commit before theirs."""
        return len(self._waiting)

    def append(self, entry: PreparedEntry) -> Record:
        """Return the record of an entry, after it is on record.

        Raises
        ------
        NotRecordedError
            If it is not on record, or nobody may know: the connection was lost during the commit.
        """
        mine, group = _Waiting(entry), list[_Waiting]()
        with self._changed:
            self._waiting.append(mine)
            self._changed.wait_for(lambda: mine.written is not None or not self._writing, self._wait_seconds)
            if mine.written is None and self._writing:
                if mine in self._waiting:
                    self._waiting.remove(mine)
                    raise NotRecordedError("The audit record was not written: the one before it takes too long.")
                # It is being written: only its commit says whether it is on record. The database limits the wait for
                # the lock; a flush has no limit, as little as that of a record by itself.
                self._changed.wait_for(lambda: mine.written is not None)
            if mine.written is None:
                group, self._waiting, self._writing = self._waiting, group, True
        if group:
            self._commit(group)
        if isinstance(mine.written, Record):
            return mine.written
        # One error of its own for each thread.
        raise NotRecordedError(str(mine.written)) from None

    def _commit(self, group: Sequence[_Waiting]) -> None:
        """Write a group, and say to each of it what became of its entry, whatever happens to this thread."""
        fault = NotRecordedError("The audit record was not written: its writer failed.")
        written: Sequence[Written] = [fault] * len(group)
        try:
            written = self._write([one.entry for one in group])
        finally:
            with self._changed:
                for one, outcome in zip(group, written, strict=True):
                    one.written = outcome
                self._writing = False
                self._changed.notify_all()
