"""Databases, schemas and group roles of a hospital, created by the server's administrator."""

from sqlalchemy import Connection, text

from services.database import grants, migrate
from services.database.administrator import INITIAL_DATABASE, Administrator
from services.database.grants import GrantTable
from services.database.schemas import OWNER, VAULT_SCHEMA, Schema, database_name, role_name, vault_role


def set_up(administrator: Administrator, hospital: str, schemas: tuple[Schema, ...] = tuple(Schema)) -> None:
    """Create a hospital's roles and databases.

    A second run, or one after a crash, creates what is missing, and takes back what the table of grants does not say.
    """
    with administrator.autocommit() as connection:
        # Two Jobs at once: the second waits for the first. The lock is the session's.
        connection.execute(text("SELECT pg_advisory_lock(hashtext(:hospital))"), {"hospital": hospital})
        close_own_databases(connection)
        create_roles(connection, hospital)
        for schema in schemas:
            _create_database(connection, hospital, schema)
            with administrator.transaction(database_name(hospital, schema)) as inside:
                _create_schema(inside, hospital, schema)


def migrate_all(administrator: Administrator, hospital: str, schemas: tuple[Schema, ...] = tuple(Schema)) -> None:
    """Apply all migrations and then the grants, each schema in one transaction."""
    for schema in schemas:
        with administrator.transaction(database_name(hospital, schema)) as connection:
            migrate.upgrade(connection, schema, hospital)
            grants.apply(connection, schema, hospital)


def create_roles(connection: Connection, hospital: str) -> None:
    """Create a hospital's group roles, and memberships between them.

    A group role cannot log in and does not inherit: a session has the privileges of a role that it may switch to only
    after it switched.
    """
    table = grants.read()
    existing = set(connection.scalars(text("SELECT rolname FROM pg_roles")))
    for role in table.roles:
        name = role_name(hospital, role)
        verb = "ALTER" if name in existing else "CREATE"
        connection.execute(text(f'{verb} ROLE "{name}" NOLOGIN NOINHERIT NOCREATEROLE NOCREATEDB'))
    for statement in _memberships(connection, hospital, table):
        connection.execute(text(statement))
    # The administrator of Aurora is no superuser: it needs the membership to create what the owner owns.
    connection.execute(text(f'GRANT "{role_name(hospital, OWNER)}" TO CURRENT_USER'))


def _memberships(connection: Connection, hospital: str, table: GrantTable) -> list[str]:
    """Return the statements after which the group roles are members of each other as the table says."""
    names = [role_name(hospital, role) for role in table.roles]
    rows = connection.execute(
        text(
            "SELECT granted.rolname, members.rolname, admin_option FROM pg_auth_members "
            "JOIN pg_roles granted ON granted.oid = roleid JOIN pg_roles members ON members.oid = member "
            "WHERE members.rolname = ANY(:names)"
        ),
        {"names": names},
    ).all()
    existing = {(granted, member) for granted, member, _ in rows}
    wanted = {
        (role_name(hospital, other), role_name(hospital, role))
        for role, row in table.roles.items()
        for other in row.set_role
    }
    return [
        *(f'REVOKE "{granted}" FROM "{member}" CASCADE' for granted, member in sorted(existing - wanted)),
        *(
            f'REVOKE ADMIN OPTION FOR "{granted}" FROM "{member}" CASCADE'
            for granted, member, admin in rows
            if admin and (granted, member) in wanted
        ),
        *(f'GRANT "{granted}" TO "{member}"' for granted, member in sorted(wanted - existing)),
    ]


def close_own_databases(connection: Connection) -> None:
    """Take from everybody the databases of the server's administrator.

    Logins connect to the databases of their row alone: not to the one that every server has, nor to that with which
    Aurora was created.
    """
    # They are the server's, so hospitals set up at the same time would change the same rows of its catalogue.
    connection.execute(text("SELECT pg_advisory_lock(hashtext('databases of the server'))"))
    owned = connection.scalars(
        text("SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = current_user AND NOT datistemplate")
    )
    for name in sorted({INITIAL_DATABASE, *owned}):
        connection.execute(text(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC'))
    connection.execute(text("SELECT pg_advisory_unlock(hashtext('databases of the server'))"))


def _create_database(connection: Connection, hospital: str, schema: Schema) -> None:
    name, owner = database_name(hospital, schema), role_name(hospital, OWNER)
    if connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}) is None:
        connection.execute(text(f'CREATE DATABASE "{name}" OWNER "{owner}" TEMPLATE template0 ENCODING \'UTF8\''))
    # At once: PUBLIC may connect to a new database.
    connection.execute(text(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC'))


def _create_schema(connection: Connection, hospital: str, schema: Schema) -> None:
    name, owner = database_name(hospital, schema), role_name(hospital, OWNER)
    grantees = connection.scalars(
        text(
            "SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END "
            "FROM pg_database CROSS JOIN LATERAL aclexplode(datacl) WHERE datname = :name AND grantee <> datdba "
            "AND pg_get_userbyid(grantee) <> :vault"
        ),
        {"name": name, "vault": vault_role(hospital) if schema is VAULT_SCHEMA else ""},
    )
    statements = [f'REVOKE ALL ON DATABASE "{name}" FROM {grantee} CASCADE' for grantee in grantees]
    for role in grants.read().roles_of(schema):
        statements.append(f'GRANT CONNECT ON DATABASE "{name}" TO "{role_name(hospital, role)}"')
    statements.append("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    statements.append(f'CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION "{owner}"')
    if "pgaudit" in str(connection.scalar(text("SHOW shared_preload_libraries"))):
        statements.append("CREATE EXTENSION IF NOT EXISTS pgaudit")
    for statement in statements:
        connection.execute(text(statement))
