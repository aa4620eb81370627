"""Connections of the server's administrator, who creates databases and roles."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from services.database.connections import DRIVER, ConnectionFile, Login, connect

# A migration may rewrite a table.
STATEMENT_MILLISECONDS = 600_000


@dataclass(frozen=True)
class Administrator:
    """The administrator's login to a server.

    Parameters
    ----------
    settings
        The login, and a database that exists before any hospital has one.
    """

    settings: ConnectionFile

    @contextmanager
    def autocommit(self, database: str | None = None) -> Iterator[Connection]:
        """Give a connection to a database that commits each statement, as CREATE DATABASE needs."""
        with self._connection(database) as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self, database: str) -> Iterator[Connection]:
        """Give a connection to a database in a transaction, which is committed at the end."""
        with self._connection(database) as connection, connection.begin():
            yield connection

    @contextmanager
    def _connection(self, database: str | None) -> Iterator[Connection]:
        settings = self.settings.model_copy(update={"database": database or self.settings.database})
        login = Login(settings, ())
        engine = create_engine(
            DRIVER,
            creator=lambda: connect(login, STATEMENT_MILLISECONDS),
            poolclass=NullPool,
            hide_parameters=True,
        )
        with engine.connect() as connection:
            yield connection
