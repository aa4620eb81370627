"""Connections to a hospital's database with a login that changes every few minutes.

The login is in a file in memory, which the Vault agent replaces before the login expires. Every connection that is
taken from the pool is compared with the file: one that was opened with an earlier login is closed and replaced, and
one that is in use finishes its transaction. Before it is used, the server is asked whether it still knows it.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from pydantic import ValidationError
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

from model.io.database import DatabaseLogin, DatabaseServer
from services.database.errors import DatabaseError
from services.database.schemas import Schema, database_name

DRIVER = "postgresql+psycopg://"
CONNECT_SECONDS = 5
STATEMENT_MILLISECONDS = 30_000
POOL_SIZE = 4
POOL_OVERFLOW = 4
IDLE_SECONDS = 1.0
"""For a pool whose first statement may fail without harm: when an idle connection is tried before it is used."""
_USED_AT = "used-at"


@dataclass(frozen=True)
class Database:
    """A database: its server and its name."""

    server: DatabaseServer
    name: str

    @classmethod
    def of(cls, server: DatabaseServer, hospital: str, schema: Schema) -> "Database":
        """Return the database with a schema of a hospital."""
        return cls(server, database_name(hospital, schema))


@dataclass(frozen=True)
class FileLogin:
    """The login in a file, and which version of the file was read."""

    login: DatabaseLogin
    version: tuple[int, ...]


def login_path(schema: Schema) -> Path:
    """Return the file with the login of a schema: ``<SCHEMA>_DATABASE_FILE``, or the agent's."""
    return Path(os.environ.get(f"{schema.upper()}_DATABASE_FILE", f"/vault/secrets/database-{schema}.json"))


def read_login(path: Path) -> FileLogin:
    """Read a login from its file.

    Raises
    ------
    DatabaseError
        If the file is missing, or is not a login.
    """
    try:
        return FileLogin(version=_version(path), login=DatabaseLogin.model_validate_json(path.read_bytes()))
    except OSError as error:
        raise DatabaseError(f"{path}: no login ({error.strerror}); check that the Vault agent writes it") from None
    except ValidationError:
        raise DatabaseError(f"{path}: not a login of a database; it has the fields username and password") from None


def connect(
    database: Database, login: DatabaseLogin, statement_milliseconds: int = STATEMENT_MILLISECONDS
) -> "psycopg.Connection[Any]":
    """Open a connection over TLS, with the server's name and certificate verified."""
    server = database.server
    return psycopg.connect(
        host=server.host,
        port=server.port,
        dbname=database.name,
        user=login.username,
        password=login.password.get_secret_value(),
        sslmode="verify-full",
        sslrootcert=server.ca,
        connect_timeout=CONNECT_SECONDS,
        options=f"-c TimeZone=UTC -c statement_timeout={statement_milliseconds}",
    )


def engine(
    database: Database,
    path: Path,
    *,
    pool_size: int = POOL_SIZE,
    max_overflow: int = POOL_OVERFLOW,
    tried_after: float = 0.0,
) -> Engine:
    """Return an engine whose connections use the login that the file has at the time.

    Errors of the engine do not include parameters of statements, which may be PHI.

    Parameters
    ----------
    database
        The database.
    path
        The file with the login.
    pool_size, max_overflow
        Connections that are kept open, and how many more may be opened under load.
    tried_after
        Seconds for which a connection may have been idle and is used without asking the server first, which is one
        exchange more. Where a record precedes the first statement, ask always: else what is on record is not answered.
    """

    def create() -> "psycopg.Connection[Any]":
        read = read_login(path)
        try:
            return connect(database, read.login)
        except psycopg.OperationalError:
            # A refused login while connecting has no SQLSTATE in libpq: whether the file changed decides.
            renewed = read_login(path)
            if renewed == read:
                raise
            return connect(database, renewed.login)

    pool = create_engine(
        DRIVER,
        creator=create,
        pool_size=pool_size,
        max_overflow=max_overflow,
        # The one that was used last, so that under a steady load few connections are idle.
        pool_use_lifo=True,
        pool_timeout=CONNECT_SECONDS,
        hide_parameters=True,
    )

    @event.listens_for(pool, "checkout")
    def require_usable(dbapi_connection: "psycopg.Connection[Any]", record: Any, _proxy: Any) -> None:
        if dbapi_connection.info.user != read_login(path).login.username:
            raise DisconnectionError("the login was replaced")
        idle = time.monotonic() - record.info.get(_USED_AT, 0.0)
        if idle >= tried_after and not _answers(dbapi_connection):
            raise DisconnectionError("the server closed the connection")

    @event.listens_for(pool, "connect")
    def note_opening(_connection: Any, record: Any) -> None:
        record.info[_USED_AT] = time.monotonic()

    @event.listens_for(pool, "checkin")
    def note_use(_connection: Any, record: Any) -> None:
        record.info[_USED_AT] = time.monotonic()

    return pool


def _answers(connection: "psycopg.Connection[Any]") -> bool:
    """Return whether the server answers on a connection that has no transaction."""
    try:
        connection.autocommit = True
        connection.execute("")
        connection.autocommit = False
    except psycopg.Error:
        return False
    return True


def _version(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_mtime_ns, status.st_ino, status.st_size
