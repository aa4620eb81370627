"""Connections to a hospital's database with a login that changes every few minutes.

The login is in a file in memory, which the Vault agent replaces before the login expires. Every connection that is
taken from the pool is compared with the file: one that was opened with an earlier login is closed and replaced, and
one that is in use finishes its transaction.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError

from services.database.errors import DatabaseError
from services.database.schemas import Schema

DRIVER = "postgresql+psycopg://"
CONNECT_SECONDS = 5
STATEMENT_MILLISECONDS = 30_000
POOL_SIZE = 4
POOL_OVERFLOW = 4


class ConnectionFile(BaseModel):
    """Content of a connection file: where the database is, and the login.

    Parameters
    ----------
    host, port, database
        The server and the database.
    username, password
        The login.
    sslrootcert
        Path of the certificates that the server's certificate is verified with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    database: str = Field(min_length=1)
    username: str = Field(min_length=1)
    password: SecretStr
    sslrootcert: str = Field(min_length=1)


@dataclass(frozen=True)
class Login:
    """A connection file, and which version of it was read."""

    settings: ConnectionFile
    version: tuple[int, ...]


def connection_path(schema: Schema) -> Path:
    """Return the connection file of a schema: ``<SCHEMA>_DATABASE_FILE``, or the agent's."""
    return Path(os.environ.get(f"{schema.upper()}_DATABASE_FILE", f"/vault/secrets/database-{schema}.json"))


def read_login(path: Path) -> Login:
    """Read a connection file.

    Raises
    ------
    DatabaseError
        If it is missing, or is not a connection file.
    """
    try:
        version = _version(path)
        settings = ConnectionFile.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DatabaseError(
            f"{path}: no connection file ({error.strerror}); check that the Vault agent writes it"
        ) from None
    except (ValueError, ValidationError):
        raise DatabaseError(
            f"{path}: not a connection file; it has the fields {', '.join(ConnectionFile.model_fields)}"
        ) from None
    return Login(settings, version)


def connect(login: Login, statement_milliseconds: int = STATEMENT_MILLISECONDS) -> "psycopg.Connection[Any]":
    """Open a connection over TLS, with the server's name and certificate verified."""
    settings = login.settings
    return psycopg.connect(
        host=settings.host,
        port=settings.port,
        dbname=settings.database,
        user=settings.username,
        password=settings.password.get_secret_value(),
        sslmode="verify-full",
        sslrootcert=settings.sslrootcert,
        connect_timeout=CONNECT_SECONDS,
        options=f"-c TimeZone=UTC -c statement_timeout={statement_milliseconds}",
    )


def engine(path: Path, *, pool_size: int = POOL_SIZE, max_overflow: int = POOL_OVERFLOW) -> Engine:
    """Return an engine whose connections use the login that the file has at the time.

    Errors of the engine do not include parameters of statements, which may be PHI.

    Parameters
    ----------
    path
        The connection file.
    pool_size, max_overflow
        Connections that are kept open, and how many more may be opened under load.
    """

    def create() -> "psycopg.Connection[Any]":
        login = read_login(path)
        try:
            connection = connect(login)
        except psycopg.OperationalError:
            # A refused login while connecting has no SQLSTATE in libpq: whether the file changed decides.
            renewed = read_login(path)
            if renewed == login:
                raise
            login, connection = renewed, connect(renewed)
        return connection

    made = create_engine(
        DRIVER,
        creator=create,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_pre_ping=True,
        pool_timeout=CONNECT_SECONDS,
        hide_parameters=True,
    )

    @event.listens_for(made, "checkout")
    def replace_earlier_login(dbapi_connection: Any, _record: Any, _proxy: Any) -> None:
        if dbapi_connection.info.user != read_login(path).settings.username:
            raise DisconnectionError("the login was replaced")

    return made


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of an error of the database, which is safe to log; its text may hold values of a row."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None) or "08000"


def _version(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_mtime_ns, status.st_ino, status.st_size
