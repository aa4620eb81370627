"""Removal of a hospital's databases and roles after it left; the audit database is kept for its retention."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from services.database import grants
from services.database.administrator import Administrator
from services.database.errors import DatabaseError
from services.database.schemas import OWNER, Schema, database_name, role_name, vault_role

# Audit records are kept six years (docs/audit.md), by their owner alone, who cannot log in.
KEPT = Schema.AUDIT
REMOVED = tuple(schema for schema in Schema if schema is not KEPT)


@dataclass(frozen=True)
class Removal:
    """Databases and roles of a hospital on the server, or removed from it.

    Parameters
    ----------
    databases
        Databases that are removed.
    roles
        Group roles, Vault's login and logins of Vault that are removed.
    kept
        The audit database, and its owner where it exists.
    """

    databases: tuple[str, ...]
    roles: tuple[str, ...]
    kept: tuple[str, ...]


def planned(connection: Connection, hospital: str) -> Removal:
    """Return what a removal would remove and keep, of what exists."""
    names = [database_name(hospital, schema) for schema in Schema]
    databases = set(
        connection.scalars(text("SELECT datname FROM pg_database WHERE datname = ANY(:names)"), {"names": names})
    )
    audit, owner = database_name(hospital, KEPT), role_name(hospital, OWNER)
    groups = [role_name(hospital, role) for role in grants.read().roles]
    roles = set(
        connection.scalars(
            text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:names)"),
            {"names": [*groups, vault_role(hospital)]},
        )
    )
    kept = (audit, owner) if audit in databases else ()
    logins = [name for name, _ in _logins(connection, hospital)]
    return Removal(
        databases=tuple(sorted(databases - {audit})),
        # Logins first: they were granted memberships by Vault's own.
        roles=(*logins, *sorted(roles - set(kept))),
        kept=kept,
    )


def require_no_valid_login(connection: Connection, hospital: str) -> None:
    """Refuse a removal while Vault has to revoke a login, for which it needs its own.

    Raises
    ------
    DatabaseError
        If a login is still valid.
    """
    valid = [name for name, is_valid in _logins(connection, hospital) if is_valid]
    if valid:
        raise DatabaseError(
            f"{hospital}: {len(valid)} logins of Vault are still valid, an hour at most after the hospital was closed; "
            "run the removal again when Vault has revoked them"
        )


def remove(administrator: Administrator, hospital: str) -> Removal:
    """Remove a hospital's databases except the audit database, and its roles except the owner of that.

    A second run, or one after a crash, removes what is left. The caller has recorded what is about to be removed.

    Raises
    ------
    DatabaseError
        If a login of Vault is still valid; then nothing is removed.
    """
    with administrator.autocommit() as connection:
        # The Job that sets up the databases takes the same lock.
        connection.execute(text("SELECT pg_advisory_lock(hashtext(:hospital))"), {"hospital": hospital})
        require_no_valid_login(connection, hospital)
        removal = planned(connection, hospital)
        # The administrator of Aurora is no superuser: it needs the memberships to drop what the roles have.
        groups = [role_name(hospital, role) for role in grants.read().roles]
        for role in (*removal.roles, *removal.kept[1:]):
            if role in (*groups, vault_role(hospital)):
                connection.execute(text(f'GRANT "{role}" TO CURRENT_USER'))
        for database in removal.databases:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'))
        if removal.kept:
            with administrator.transaction(database_name(hospital, KEPT)) as audit:
                # Every privilege in it, and on it; none of them owns anything. Logins have no privilege of their own.
                for role in set(removal.roles) & set(groups):
                    audit.execute(text(f'DROP OWNED BY "{role}" RESTRICT'))
        for role in removal.roles:
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :role"), {"role": role}
            )
            connection.execute(text(f'DROP ROLE IF EXISTS "{role}"'))
    return removal


def _logins(connection: Connection, hospital: str) -> list[tuple[str, bool]]:
    """Return the logins that are members of the hospital's group roles, and whether Vault still has to revoke each."""
    groups = [role_name(hospital, role) for role in grants.read().roles]
    rows = connection.execute(
        text(
            "SELECT DISTINCT members.rolname, coalesce(members.rolvaliduntil > now(), false) FROM pg_auth_members "
            "JOIN pg_roles granted ON granted.oid = roleid JOIN pg_roles members ON members.oid = member "
            "WHERE granted.rolname = ANY(:groups) AND members.rolcanlogin AND NOT members.rolname = ANY(:others) "
            "ORDER BY 1"
        ),
        {"groups": groups, "others": [*groups, vault_role(hospital), connection.scalar(text("SELECT current_user"))]},
    )
    return [(name, valid) for name, valid in rows]
