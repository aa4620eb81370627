"""What the routes of care work with: settings, clock and connections, made once for each process."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from services.care.settings import Settings
from services.problems import Problem


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


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

    def check(self) -> None:
        """Raise a problem (503) unless the database answers."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("select 1"))
        except SQLAlchemyError:
            raise Problem(503, "Not ready", "The database does not answer; try again.") from None
