"""Anchoring: every few seconds the head of the chain is verified, signed and written to the locked audit bucket."""

import logging
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from model.errors import UserError
from model.io.database import sqlstate
from services.audit import anchors, chain
from services.audit.anchors import Anchor, AnchorBucket, Signer
from services.audit.errors import AuditError
from services.audit.verify import Verification, linked
from services.database.errors import DatabaseError

INTERVAL_SECONDS = 5.0
"""What was written in this time could be cut off the chain without a trace."""
IDLE = timedelta(hours=1)
"""An unchanged head is anchored again after this time, so that an idle chain differs from one that nobody anchors."""

log = logging.getLogger("services.audit")


TRIED, ANCHORED = "tried", "anchored"
"""Files whose times probes read."""


def _mark(folder: Path | None, name: str) -> None:
    if folder is not None:
        (folder / name).touch()


class BrokenChainError(AuditError):
    """The chain is not the one that was anchored; exit code 2."""


@dataclass(frozen=True)
class Anchoring:
    """Connections and settings of anchoring.

    Parameters
    ----------
    hospital
        The hospital of the chain.
    connect
        Opens a connection with a login of ``audit-reader``.
    bucket
        The locked bucket.
    signer
        Signs anchors.
    trusted
        The public keys of the signer, base64.
    clock
        Returns the time.
    """

    hospital: str
    connect: Callable[[], AbstractContextManager[Connection]]
    bucket: AnchorBucket
    signer: Signer
    trusted: Collection[str]
    clock: Callable[[], datetime]

    def last(self) -> Anchor | None:
        """Return the last anchor of the bucket, verified."""
        stored = self.bucket.latest()
        if stored is None:
            return None
        try:
            return anchors.read(stored.content, self.hospital, self.trusted)
        except AuditError as fault:
            raise BrokenChainError(f"The object {stored.name} {fault}; find out who wrote it.") from None

    def anchor(self, last: Anchor | None) -> Anchor | None:
        """Anchor the head, after the records since the last anchor were verified.

        Parameters
        ----------
        last : Anchor, optional
            The last anchor, from which the chain is continued.

        Returns
        -------
        Anchor or None
            The last anchor now.

        Raises
        ------
        BrokenChainError
            If the chain does not continue the last anchor; nothing is signed.
        """
        report = Verification()
        head: Anchor | None = None
        with self.connect() as connection:
            if last is not None:
                self._check_anchored(connection, last)
            for record in linked(chain.records(connection, after=last.sequence if last else 0), report, last):
                if not report.intact:
                    raise BrokenChainError(f"The chain is not anchored: {report.faults[0].sentence}")
                head = Anchor(self.hospital, record.sequence, record.hash, self.clock())
        if head is None and last is not None and self.clock() - last.anchored_at >= IDLE:
            head = Anchor(self.hospital, last.sequence, last.hash, self.clock())
        if head is None:
            return last
        self.bucket.put(head, self.signer)
        return head

    def run(self, stop: Event, interval: float = INTERVAL_SECONDS, marks: Path | None = None) -> None:
        """Anchor until the event is set; a fault that may pass is logged and tried again at the next interval.

        Parameters
        ----------
        stop, interval
            When to end, and the seconds between anchors.
        marks
            Folder of two files for probes: the time of ``tried`` is that of the last attempt, and the time of
            ``anchored`` that of the last one after which the whole chain was anchored.
        """
        last, started = None, False
        while not stop.is_set():
            _mark(marks, TRIED)
            try:
                if not started:
                    last, started = self.last(), True
                last = self.anchor(last)
                _mark(marks, ANCHORED)
            except BrokenChainError:
                raise
            except (UserError, DatabaseError) as fault:
                log.error("Not anchored: %s", fault)
            except SQLAlchemyError as fault:
                log.error("Not anchored: the database answers SQLSTATE %s", sqlstate(fault))
            stop.wait(interval)

    @staticmethod
    def _check_anchored(connection: Connection, last: Anchor) -> None:
        try:
            anchored = chain.get(connection, last.sequence)
        except AuditError:
            raise BrokenChainError(f"Record {last.sequence} was anchored and is missing: the chain was cut.") from None
        if anchored.hash != last.hash or anchored.computed_hash() != last.hash:
            raise BrokenChainError(f"Record {last.sequence} is not the one that was anchored: it was replaced.")
