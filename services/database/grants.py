"""The table of group roles and grants (``grants.yaml``), and its application to a hospital's databases."""

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection, text

from services.database.errors import DatabaseError
from services.database.schemas import OWNER, Schema, role_name

TABLE = Path(__file__).with_name("grants.yaml")
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
RoleName = Annotated[str, Field(pattern=r"^[a-z][a-z-]*$", max_length=30)]


class Verb(StrEnum):
    """A statement that a grant allows."""

    SELECT = "select"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


# Verbs that PostgreSQL grants by column.
BY_COLUMN = frozenset({Verb.SELECT, Verb.INSERT, Verb.UPDATE})


class Role(BaseModel):
    """A group role of a hospital.

    Parameters
    ----------
    databases
        The schemas whose databases it may connect to.
    purpose
        Purpose of use, a code of HL7 v3 PurposeOfUse.
    set_role
        Roles that its sessions may switch to.
    login
        Whether Vault gives logins that are members.
    vault_role
        Name of the role in Vault's database secrets engine; None for the role's own name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    databases: tuple[Schema, ...] = Field(min_length=1)
    purpose: str = Field(pattern=r"^[A-Z]+$")
    set_role: tuple[RoleName, ...] = ()
    login: bool = True
    vault_role: RoleName | None = None


class Grant(BaseModel):
    """Verbs that a role has on a table, or on some of its columns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: RoleName
    table: Name
    verbs: tuple[Verb, ...] = Field(min_length=1)
    columns: tuple[Name, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _delete_is_of_rows(self) -> Self:
        if self.columns is not None and not BY_COLUMN.issuperset(self.verbs):
            raise ValueError("delete is a grant on a table: write it as a row without columns")
        return self


class Routine(BaseModel):
    """A function that a role may call."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: RoleName
    function: Name


class GrantTable(BaseModel):
    """All roles and grants."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    roles: dict[RoleName, Role]
    grants: dict[Schema, tuple[Grant, ...]]
    functions: dict[Schema, tuple[Routine, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _roles_are_declared(self) -> Self:
        for name, role in self.roles.items():
            for other in role.set_role:
                if other not in self.roles or not set(self.roles[other].databases) <= set(role.databases):
                    raise ValueError(f"{name} may switch to {other}, which is not a role of its databases")
        for schema, rows in self.grants.items():
            for row in rows:
                if row.role == OWNER:
                    raise ValueError(f"{schema}.{row.table}: the owner has all privileges and needs no grant")
                if row.role not in self.roles or schema not in self.roles[row.role].databases:
                    raise ValueError(f"{schema}.{row.table}: {row.role} is not a role of this database")
        return self

    @model_validator(mode="after")
    def _roles_of_functions_are_declared(self) -> Self:
        for schema, routines in self.functions.items():
            for routine in routines:
                if routine.role not in self.roles or schema not in self.roles[routine.role].databases:
                    raise ValueError(f"{schema}.{routine.function}: {routine.role} is not a role of this database")
        return self

    def roles_of(self, schema: Schema) -> list[str]:
        """Return the group roles that may connect to the database of a schema."""
        return sorted(name for name, role in self.roles.items() if schema in role.databases)

    def columns(self, schema: Schema, role: str, table: str, verb: Verb, existing: frozenset[str]) -> frozenset[str]:
        """Return which of a table's columns a role may read or write with a verb."""
        allowed: set[str] = set()
        for row in self.grants[schema]:
            if (row.role, row.table) == (role, table) and verb in row.verbs:
                allowed |= existing if row.columns is None else set(row.columns)
        return frozenset(allowed)


@cache
def read(path: Path = TABLE) -> GrantTable:
    """Read the table."""
    return GrantTable.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def apply(connection: Connection, schema: Schema, hospital: str, table: GrantTable | None = None) -> None:
    """Grant what the table says on a schema of a hospital, and revoke everything else.

    It runs in the caller's transaction, so that no session sees a state in between.

    Parameters
    ----------
    connection
        A connection to the schema's database, of a login that may become the owner role.
    schema, hospital
        The schema and the hospital.
    table
        The table of grants; ``grants.yaml`` by default.

    Raises
    ------
    DatabaseError
        If the table names a table or a column that the schema does not have, or a table has another owner.
    """
    table = table or read()
    existing = columns(connection, schema)
    for row in table.grants[schema]:
        missing = {row.table} if row.table not in existing else set(row.columns or ()) - existing[row.table]
        if missing:
            raise DatabaseError(
                f"grants.yaml: {schema}.{row.table}: the schema has no {', '.join(sorted(missing))}; "
                "correct the name, or add a migration"
            )
    owner = role_name(hospital, OWNER)
    for name in _owned_by_others(connection, schema, owner):
        raise DatabaseError(f"{schema}: {name} is not owned by {owner}; change its owner, or drop it")
    connection.execute(text(f'SET LOCAL ROLE "{owner}"'))
    for statement in (*revocations(connection, schema, hospital), *_statements(table, schema, hospital)):
        connection.execute(text(statement))
    connection.execute(text("RESET ROLE"))


def columns(connection: Connection, schema: Schema) -> dict[str, frozenset[str]]:
    """Return the columns of each table and view of a schema."""
    rows = connection.execute(
        text(
            "SELECT relname, array_agg(attname::text) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid "
            "WHERE relnamespace = CAST(:schema AS regnamespace) AND relkind IN ('r', 'p', 'v', 'm', 'f') "
            "AND attnum > 0 AND NOT attisdropped GROUP BY relname"
        ),
        {"schema": schema.value},
    )
    return {name: frozenset(names) for name, names in rows}


def _owned_by_others(connection: Connection, schema: Schema, owner: str) -> list[str]:
    query = (
        "SELECT relname FROM pg_class WHERE relnamespace = CAST(:schema AS regnamespace) "
        "AND pg_get_userbyid(relowner) <> :owner ORDER BY 1"
    )
    return list(connection.scalars(text(query), {"schema": schema.value, "owner": owner}))


def revocations(connection: Connection, schema: Schema, hospital: str) -> list[str]:
    """Return the statements that revoke every privilege on a schema and its objects from everybody but the owner."""
    owner = role_name(hospital, OWNER)
    rows = connection.execute(
        text(
            """
            WITH relations AS (SELECT * FROM pg_class WHERE relnamespace = CAST(:schema AS regnamespace)),
            acls AS (
                SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
                       oid::regclass::text AS name, relacl AS acl
                FROM relations WHERE relacl IS NOT NULL
                UNION ALL
                SELECT 'TABLE', relations.oid::regclass::text, attacl
                FROM pg_attribute JOIN relations ON attrelid = relations.oid WHERE attacl IS NOT NULL
                UNION ALL
                SELECT 'ROUTINE', oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner))
                FROM pg_proc WHERE pronamespace = CAST(:schema AS regnamespace)
                UNION ALL
                SELECT 'SCHEMA', quote_ident(nspname), nspacl FROM pg_namespace
                WHERE oid = CAST(:schema AS regnamespace) AND nspacl IS NOT NULL
            )
            SELECT DISTINCT kind, name,
                   CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee
            FROM acls CROSS JOIN LATERAL aclexplode(acl)
            WHERE grantee = 0 OR pg_get_userbyid(grantee) <> :owner ORDER BY 1, 2, 3
            """
        ),
        {"schema": schema.value, "owner": owner},
    )
    return [f"REVOKE ALL ON {kind} {name} FROM {grantee} CASCADE" for kind, name, grantee in rows]


def _statements(table: GrantTable, schema: Schema, hospital: str) -> list[str]:
    statements = [
        f'GRANT USAGE ON SCHEMA {schema} TO "{role_name(hospital, role)}"'
        for role in table.roles_of(schema)
        if role != OWNER
    ]
    for row in table.grants[schema]:
        names = "" if row.columns is None else f" ({', '.join(row.columns)})"
        verbs = ", ".join(f"{verb.upper()}{names}" for verb in row.verbs)
        statements.append(f'GRANT {verbs} ON {schema}.{row.table} TO "{role_name(hospital, row.role)}"')
    for routine in table.functions.get(schema, ()):
        role = role_name(hospital, routine.role)
        statements.append(f'GRANT EXECUTE ON FUNCTION {schema}.{routine.function} TO "{role}"')
    return statements
