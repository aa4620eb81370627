"""Outbox: messages that care must deliver, each once, however often the receiver is away.

A message is written in the transaction of what it tells of. Its content is encrypted, since a RiskAssessment names the
patient. A courier delivers what is due; what fails is tried again, later and later; what the receiver refuses for good
is kept with the reason, for a person.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import sqlalchemy as sa
from tenacity import RetryCallState, Retrying, wait_random_exponential

from model.errors import UserError
from model.identity_store.transit_cipher import TransitCipher
from services.care.tables import OUTBOX

RISK_ASSESSMENT, FEEDBACK = "risk-assessment", "feedback"
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 5.0, 900.0
MESSAGES_AT_ONCE = 20
LEASE = timedelta(seconds=60)
"""How long a courier has for a message that it took before another takes it."""

log = logging.getLogger("services.care")


class NotDeliveredError(Exception):
    """The receiver is away or busy: the message is tried again."""


class RefusedError(Exception):
    """The receiver refused the message for good; the text is a status, and no value."""


Deliver = Callable[[UUID, str], None]
"""Delivers a message by its id and content."""


def put(
    connection: sa.Connection, cipher: TransitCipher, kind: str, encounter: str, content: str, *, at: datetime
) -> UUID:
    """Write a message in the caller's transaction.

    Parameters
    ----------
    connection, cipher
        The database and the hospital's key.
    kind, encounter
        What it is, and the pseudonym that it is about.
    content
        The message.
    at
        From when it is due.
    """
    message = uuid4()
    (sealed,) = cipher.encrypt([content])
    connection.execute(
        sa.insert(OUTBOX).values(message=message, kind=kind, encounter=encounter, content=sealed, next_attempt_at=at)
    )
    return message


@dataclass(frozen=True)
class Courier:
    """Delivers the messages of an outbox.

    Parameters
    ----------
    engine, cipher
        The database and the hospital's key.
    receivers
        How a message of each kind is delivered; kinds without one wait.
    clock
        The time, in UTC.
    """

    engine: sa.Engine
    cipher: TransitCipher
    receivers: Mapping[str, Deliver]
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def deliver_due(self) -> int:
        """Deliver what is due, some messages at the most; return how many arrived."""
        arrived = 0
        for _ in range(MESSAGES_AT_ONCE):
            taken = self._take()
            if taken is None:
                break
            arrived += self._deliver(*taken)
        return arrived

    def _take(self) -> tuple[UUID, str, str, int] | None:
        """Return the oldest message that is due, and lease it, so that no other courier delivers it meanwhile."""
        now = self.clock()
        with self.engine.begin() as connection:
            due = (
                sa.select(OUTBOX.c.message)
                .where(OUTBOX.c.delivered_at.is_(None), OUTBOX.c.refused_at.is_(None))
                .where(OUTBOX.c.next_attempt_at <= now, OUTBOX.c.kind.in_(self.receivers))
                .order_by(OUTBOX.c.created_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            taken = (
                sa.update(OUTBOX)
                .where(OUTBOX.c.message == due.scalar_subquery())
                .values(next_attempt_at=now + LEASE, attempts=OUTBOX.c.attempts + 1)
                .returning(OUTBOX.c.message, OUTBOX.c.kind, OUTBOX.c.content, OUTBOX.c.attempts)
            )
            row = connection.execute(taken).one_or_none()
        return None if row is None else (row.message, row.kind, row.content, row.attempts)

    def _deliver(self, message: UUID, kind: str, content: str, attempts: int) -> bool:
        try:
            (clear,) = self.cipher.decrypt([content])
            self.receivers[kind](message, clear)
        except RefusedError as refused:
            log.error("A message (%s) was refused for good: %s", kind, refused)
            self._note(message, refused_at=self.clock(), last_fault=str(refused))
            return False
        except (NotDeliveredError, UserError) as fault:
            later = self.clock() + timedelta(seconds=wait_seconds(attempts))
            self._note(message, next_attempt_at=later, last_fault=type(fault).__name__)
            return False
        self._note(message, delivered_at=self.clock(), last_fault=None)
        return True

    def _note(self, message: UUID, **values: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.update(OUTBOX).where(OUTBOX.c.message == message).values(**values))


def wait_seconds(attempts: int) -> float:
    """Return how long to wait after a number of attempts: random, and longer after each."""
    wait = wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS, min=1.0)
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempts
    return wait(state)
