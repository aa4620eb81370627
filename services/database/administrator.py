"""Connections of the server's administrator, who creates databases and roles."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from model.io.database import DatabaseLogin, DatabaseServer
from services.database.connections import DRIVER, Database, connect

# The database that every server has, before any hospital has one.
INITIAL_DATABASE = "postgres"
# A migration may rewrite a table.
STATEMENT_MILLISECONDS = 600_000


@dataclass(frozen=True)
class Administrator:
    """The administrator's login to a server.

    Parameters
    ----------
    server, login
        The server and the login.
    """

    server: DatabaseServer
    login: DatabaseLogin

    @contextmanager
    def autocommit(self, database: str = INITIAL_DATABASE) -> Iterator[Connection]:
        """Give a connection to a database that commits each statement, as CREATE DATABASE needs."""
        with self._connection(database) as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def transaction(self, database: str) -> Iterator[Connection]:
        """Give a connection to a database in a transaction, which is committed at the end."""
        with self._connection(database) as connection, connection.begin():
            yield connection

    @contextmanager
    def _connection(self, database: str) -> Iterator[Connection]:
        address = Database(self.server, database)
        engine = create_engine(
            DRIVER,
            creator=lambda: connect(address, self.login, STATEMENT_MILLISECONDS),
            poolclass=NullPool,
            hide_parameters=True,
        )
        with engine.connect() as connection:
            yield connection
