"""Databases, schemas and group roles of a hospital, created by the server's administrator."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Connection, text

from services.database import grants, migrate
from services.database.schemas import OWNER, Schema, database_name, role_name

# Opens a connection to a database of the server as its administrator, in autocommit.
Connect = Callable[[str], AbstractContextManager[Connection]]


def create_roles(connection: Connection, hospital: str) -> None:
    """Create a hospital's group roles, and memberships between them, where they are missing.

    A group role cannot log in and does not inherit, so a session has the privileges of a role that it may switch to
    only after it switched.
    """
    table = grants.read()
    for role in table.roles:
        name = role_name(hospital, role)
        exists = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name})
        if exists is None:
            connection.execute(text(f'CREATE ROLE "{name}" NOLOGIN NOINHERIT'))
    # The administrator of Aurora is no superuser: it needs the membership to create what the owner owns.
    connection.execute(text(f'GRANT "{role_name(hospital, OWNER)}" TO CURRENT_USER'))
    for role, row in table.roles.items():
        for other in row.set_role:
            connection.execute(text(f'GRANT "{role_name(hospital, other)}" TO "{role_name(hospital, role)}"'))


def create_database(connect: Connect, first: Connection, hospital: str, schema: Schema) -> None:
    """Create the database of a schema, with the schema in it, where it is missing.

    Parameters
    ----------
    connect
        Opens a connection to a database as the administrator.
    first
        A connection to any database of the server, in autocommit.
    hospital, schema
        The hospital and the schema.
    """
    table = grants.read()
    name, owner = database_name(hospital, schema), role_name(hospital, OWNER)
    if first.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}) is None:
        first.execute(text(f'CREATE DATABASE "{name}" OWNER "{owner}" TEMPLATE template0 ENCODING \'UTF8\''))
    with connect(name) as connection:
        connection.execute(text(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC'))
        for role in table.roles_of(schema):
            connection.execute(text(f'GRANT CONNECT ON DATABASE "{name}" TO "{role_name(hospital, role)}"'))
        connection.execute(text("REVOKE ALL ON SCHEMA public FROM PUBLIC"))
        connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION "{owner}"'))
        if "pgaudit" in str(connection.scalar(text("SHOW shared_preload_libraries"))):
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS pgaudit"))


def set_up(connect: Connect, initial: str, hospital: str) -> None:
    """Create everything of a hospital; a second run, or one after a crash, creates what is missing."""
    with connect(initial) as first:
        create_roles(first, hospital)
        for schema in Schema:
            create_database(connect, first, hospital, schema)


def migrate_all(connect: Connect, hospital: str) -> None:
    """Apply all migrations and then the grants, each schema in one transaction."""
    for schema in Schema:
        with connect(database_name(hospital, schema)) as connection, connection.begin():
            migrate.upgrade(connection, schema, hospital)
            grants.apply(connection, schema, hospital)
