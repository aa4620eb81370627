"""Every statement that a grant could allow, tried on a real server."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from model.io.database import sqlstate
from services.database.grants import Verb

INSUFFICIENT_PRIVILEGE = "42501"
STATEMENTS = {
    Verb.SELECT: "SELECT {column} FROM {table} LIMIT 0",
    Verb.INSERT: "INSERT INTO {table} ({column}) OVERRIDING SYSTEM VALUE SELECT CAST(NULL AS {type}) WHERE false",
    Verb.UPDATE: "UPDATE {table} SET {column} = DEFAULT WHERE false",
    Verb.DELETE: "DELETE FROM {table} WHERE false",
}
# What only the owner may do.
OWNER_STATEMENTS = (
    "TRUNCATE {table}",
    "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    "DROP TABLE {table}",
)


@dataclass(frozen=True)
class Column:
    """A column of a table, with its type."""

    table: str
    name: str
    type: str
    generated: bool


def table_columns(connection: Connection, schema: str) -> list[Column]:
    """Return every column of every table and view of a schema."""
    rows = connection.execute(
        text(
            "SELECT format('%I.%I', CAST(:schema AS text), relname), quote_ident(attname), "
            "format_type(atttypid, atttypmod), attgenerated <> '' FROM pg_class JOIN pg_attribute "
            "ON attrelid = pg_class.oid WHERE relnamespace = CAST(:schema AS regnamespace) "
            "AND relkind IN ('r', 'p', 'v', 'm', 'f') AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2"
        ),
        {"schema": schema},
    )
    return [Column(*row) for row in rows]


def refused(connection: Connection, statement: str) -> bool:
    """Try a statement and undo it; return whether the server refused it for want of a privilege."""
    transaction = connection.begin()
    try:
        connection.execute(text(statement))
    except DBAPIError as error:
        if sqlstate(error) == INSUFFICIENT_PRIVILEGE:
            return True
        raise
    else:
        return False
    finally:
        transaction.rollback()


def may_grant(connection: Connection, table: str) -> bool:
    """Return whether the session may pass on a privilege on a table; without one, GRANT is a warning and no error."""
    verbs = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    asked = ", ".join(f"{verb} WITH GRANT OPTION" for verb in verbs)
    with connection.begin():
        return bool(
            connection.scalar(text("SELECT has_table_privilege(:table, :asked)"), {"table": table, "asked": asked})
        )


def trials(columns: list[Column]) -> Iterator[tuple[Verb, Column, str]]:
    """Yield a statement for each verb and column; one of a verb that has no columns for the first column of a table."""
    seen: set[str] = set()
    for column in columns:
        for verb, statement in STATEMENTS.items():
            if verb is Verb.DELETE and column.table in seen:
                continue
            if column.generated and verb in (Verb.INSERT, Verb.UPDATE):
                # No statement can write it.
                continue
            yield verb, column, statement.format(table=column.table, column=column.name, type=column.type)
        seen.add(column.table)


@dataclass(frozen=True)
class Access:
    """What a server allows a role in a database.

    Parameters
    ----------
    columns
        Columns that a verb is allowed on, by table and verb; every column of a table for a verb that has none.
    owner_statements
        Statements of an owner that are allowed.
    statements
        How many statements were tried.
    """

    columns: dict[tuple[str, Verb], frozenset[str]]
    owner_statements: tuple[str, ...]
    statements: int


def access(connection: Connection, columns: list[Column]) -> Access:
    """Try every statement on every column and table, and return which are allowed."""
    allowed: defaultdict[tuple[str, Verb], set[str]] = defaultdict(set)
    names, tried = _names(columns), 0
    for verb, column, statement in trials(columns):
        tried += 1
        if not refused(connection, statement):
            allowed[column.table, verb] |= names[column.table] if verb is Verb.DELETE else {column.name}
    owned = [pattern.format(table=table) for table in sorted(names) for pattern in OWNER_STATEMENTS]
    return Access(
        {key: frozenset(found) for key, found in allowed.items()},
        tuple(statement for statement in owned if not refused(connection, statement)),
        tried + len(owned),
    )


def _names(columns: Iterable[Column]) -> dict[str, set[str]]:
    """Return the names of the columns of each table."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    for column in columns:
        names[column.table].add(column.name)
    return names
