"""Vault's own login to PostgreSQL, with which it creates and revokes the logins of a hospital's workloads."""

import secrets
from typing import Any, Protocol

from sqlalchemy import Connection, text

from model.errors import UserError
from services.database import grants
from services.database.administrator import Administrator
from services.database.schemas import VAULT_SCHEMA, database_name, role_name, vault_role

# The connection of the hospital's database secrets engine, as the stack declares it.
CONNECTION = "postgresql"
PASSWORD_BYTES = 32
CONNECTIONS = 8
# From this version on, CREATEROLE alone does not allow to grant a role that another one created.
ADMIN_OPTION_VERSION = 160000


class Vault(Protocol):
    """Writes to Vault."""

    def post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        """Write to a path and return the answer's data."""
        ...


def give_vault_its_login(administrator: Administrator, hospital: str, *, attempt: Vault, vault: Vault) -> bool:
    """Make sure that Vault can create logins, with a password that nobody but Vault has.

    Where Vault can change its password, it has one. Otherwise, as after the first update, after a crash in between or
    with a restored server, the administrator sets a random password, gives it to Vault, and Vault changes it.

    Parameters
    ----------
    administrator, hospital
        The server's administrator and the hospital.
    attempt, vault
        Vault without and with retries: a first attempt may fail.

    Returns
    -------
    bool
        Whether Vault was given a password.
    """
    with administrator.autocommit() as connection:
        create_role(connection, hospital)
        try:
            attempt.post(f"{hospital}/database/rotate-root/{CONNECTION}", {})
        except UserError:
            password = secrets.token_urlsafe(PASSWORD_BYTES)
            _set_password(connection, vault_role(hospital), password)
        else:
            return False
    vault.post(f"{hospital}/database/config/{CONNECTION}", {"username": vault_role(hospital), "password": password})
    vault.post(f"{hospital}/database/rotate-root/{CONNECTION}", {})
    return True


def create_role(connection: Connection, hospital: str) -> None:
    """Create Vault's login, without a password, where it is missing.

    It creates roles and ends their sessions. It connects to one of the hospital's databases, without a privilege in it.
    """
    name = vault_role(hospital)
    if connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name}) is None:
        connection.execute(text(f'CREATE ROLE "{name}"'))
    statements = [
        f'ALTER ROLE "{name}" LOGIN INHERIT CREATEROLE NOCREATEDB CONNECTION LIMIT {CONNECTIONS}',
        f'GRANT CONNECT ON DATABASE "{database_name(hospital, VAULT_SCHEMA)}" TO "{name}"',
        f'GRANT pg_signal_backend TO "{name}"',
    ]
    if int(connection.scalar(text("SHOW server_version_num")) or 0) >= ADMIN_OPTION_VERSION:
        statements += [
            f'GRANT "{role_name(hospital, role)}" TO "{name}" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE'
            for role, row in grants.read().roles.items()
            if row.login
        ]
    for statement in statements:
        connection.execute(text(statement))


def _set_password(connection: Connection, role: str, password: str) -> None:
    """Set a password by its SCRAM verifier: the server's log never has the password."""
    server: Any = connection.connection.driver_connection
    verifier = server.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    # The verifier is base64, dollar, colon and equals signs; an ALTER ROLE takes no parameters.
    connection.exec_driver_sql(f"ALTER ROLE \"{role}\" PASSWORD '{verifier}'")
