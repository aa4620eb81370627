"""What the routes of care work with: settings, clock and connections, made once for each process."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from services.care.settings import Settings
from services.database.connections import sqlstate
from services.database.errors import DatabaseError
from services.problems import Problem

RETRY = {"Retry-After": "5"}

log = logging.getLogger("services.care")


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def unavailable() -> Problem:
    """Return the problem of a database that does not answer."""
    return Problem(503, "Database not available", "The database does not answer; try again.", headers=RETRY)


@dataclass(frozen=True)
class Care:
    """Collaborators of the routes.

    Parameters
    ----------
    settings
        The settings.
    engine
        Connections to the database ``care``.
    clock
        The time, in UTC.
    """

    settings: Settings
    engine: Engine
    clock: Callable[[], datetime] = field(default=now)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a connection in a transaction; a database that does not answer is a problem (503)."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, DatabaseError) as error:
            log.error("The database of care does not answer (SQLSTATE %s)", sqlstate(error))
            raise unavailable() from None

    def check(self) -> None:
        """Raise a problem (503) unless the database answers."""
        with self.transaction() as connection:
            connection.execute(text("select 1"))
