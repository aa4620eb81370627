"""Context of care's routes: settings, clock and connections, made once for each process."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from model.identity_store.transit_cipher import TransitCipher
from model.io.database import sqlstate
from services.audit.http import Recorder
from services.care.delivery.outbox import Deliver
from services.care.fresh.features import FeatureSource
from services.care.fresh.history import History
from services.care.planning_client import PlanningClient
from services.care.settings import Settings
from services.care.worklist.tokens import Keys
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
    recorder
        Appends to the hospital's audit chain.
    features, history
        Fresh features, and the history that they are joined with.
    cipher
        The hospital's key for identities.
    planning
        The planning service.
    http
        Client for the FHIR servers of hooks, and for the EHR's authorization server.
    receivers
        Who gets the messages of the outbox, by kind.
    clock
        The time, in UTC.
    sign_in_keys
        Keys of the identity provider; the worklist fetches them unless they are given.
    """

    settings: Settings
    engine: Engine
    recorder: Recorder
    features: FeatureSource
    history: History
    cipher: TransitCipher
    planning: PlanningClient
    http: httpx.Client
    receivers: Mapping[str, Deliver] = field(default_factory=dict)
    clock: Callable[[], datetime] = field(default=now)
    sign_in_keys: Keys | None = None

    @property
    def zone(self) -> tzinfo:
        """The hospital's time zone."""
        name = self.settings.hmlops_time_zone
        return ZoneInfo(name) if name else UTC

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
