"""Connection to a PostgreSQL database whose login is in a file that the Vault agent writes."""

import json
from pathlib import Path

import sqlalchemy as sa

from model.errors import UserError

FIELDS = ("host", "port", "database", "username", "password", "sslrootcert")
CONNECT_SECONDS = 10


def connect(file: Path) -> sa.Connection:
    """Open a connection over TLS, with the server's name and certificate verified.

    Parameters
    ----------
    file
        A JSON file with host, port, database, username, password and sslrootcert; read each time.

    Raises
    ------
    UserError
        If the file is not such a file, or the database cannot be reached.
    """
    try:
        login = json.loads(file.read_text(encoding="utf-8"))
        host, port, database, username, password, authority = (login[name] for name in FIELDS)
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{file} is not a connection file; it has the fields {', '.join(FIELDS)}.") from None
    query = {"sslmode": "verify-full", "sslrootcert": authority, "connect_timeout": str(CONNECT_SECONDS)}
    url = sa.URL.create("postgresql+psycopg", username, password, host, int(port), database, query)
    try:
        return sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True).connect()
    except (sa.exc.OperationalError, ModuleNotFoundError) as fault:
        reason = type(fault).__name__
        raise UserError(f"Cannot connect to the database of {file} ({reason}); check its address and login.") from None
