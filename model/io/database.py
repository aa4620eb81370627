"""Connection to a PostgreSQL database: the server is in the environment, the login in a file of the Vault agent."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from model.errors import UserError

CONNECT_SECONDS = 10
VARIABLES = {"host": "DATABASE_HOST", "port": "DATABASE_PORT", "ca": "DATABASE_CA"}
"""Environment variables of the server."""


class DatabaseServer(BaseModel):
    """The server of a hospital's databases.

    Parameters
    ----------
    host, port
        Its address.
    ca
        Path of the certificates that its certificate is verified with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    ca: str = Field(min_length=1)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the server that the environment names.

        Raises
        ------
        UserError
            If a variable is missing or not what it must be.
        """
        try:
            return cls.model_validate({field: environment.get(name) for field, name in VARIABLES.items()})
        except ValidationError as fault:
            wrong = sorted({VARIABLES[str(problem["loc"][0])] for problem in fault.errors()})
            raise UserError(
                f"Set the environment variables {', '.join(wrong)}; they name the database server."
            ) from None


class DatabaseLogin(BaseModel):
    """A login, as the Vault agent writes it to a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    username: str = Field(min_length=1)
    password: SecretStr = Field(min_length=1)


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of an error of the database, which is safe to log; its text may hold values of a row."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return getattr(cause, "sqlstate", None) or "08000"


def connect(file: Path, database: str, server: DatabaseServer) -> sa.Connection:
    """Open a connection over TLS, with the server's name and certificate verified.

    Parameters
    ----------
    file
        A JSON file with username and password; read each time.
    database
        Name of the database.
    server
        Where it is.

    Raises
    ------
    UserError
        If the file is not such a file, or the database cannot be reached.
    """
    try:
        login = DatabaseLogin.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        raise UserError(f"{file} is not a login of a database; it has the fields username and password.") from None
    password = login.password.get_secret_value()
    query = {"sslmode": "verify-full", "sslrootcert": server.ca, "connect_timeout": str(CONNECT_SECONDS)}
    url = sa.URL.create("postgresql+psycopg", login.username, password, server.host, server.port, database, query)
    try:
        return sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True).connect()
    except (sa.exc.OperationalError, ModuleNotFoundError) as fault:
        reason = type(fault).__name__
        raise UserError(f"Cannot connect to the database {database} ({reason}); check its address and login.") from None
