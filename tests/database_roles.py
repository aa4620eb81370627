"""The page ``docs/database-roles.md``: every role of a hospital's databases, tried against every table.

``python -m tests.database_roles`` starts PostgreSQL, creates a hospital's databases, and writes it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from services.database import grants
from services.database.grants import Verb
from services.database.schemas import OWNER, Schema
from tests.support.databases import grant_trials
from tests.support.databases.grant_trials import Access, Column
from tests.support.databases.postgres import Database, temporary_server
from tests.support.repository import REPOSITORY

PAGE = REPOSITORY / "docs" / "database-roles.md"
_HEAD = """# Roles of the databases against their tables
`python -m tests.database_roles` writes this page. It creates a hospital's four databases on a real server, as the
migration does, and tries each group role of `services/database/grants.yaml` with a login of its own: a connection to
each database, and in each that admits it `select`, `insert` and `update` of every column, and `delete`, `truncate`,
`drop table` and switching off triggers and row-level security of every table. A cell is all that the server allowed:
"6 of 14" are columns, "none" means that every statement was refused. A test compares the page with such a run, and
each column with the file.

`owner` is not shown: it may do everything, no login of Vault is a member of it, and only migrations switch to it. A
table marked *row by row* has row-level security: a role gets the rows of the signed-in person alone, such as those of
the person's units ([worklist](worklist.md)).

"""


@dataclass(frozen=True)
class Tried:
    """What a server allows every role in a database.

    Parameters
    ----------
    tables
        Columns of each table and view.
    row_by_row
        Tables with row-level security.
    roles
        What each role is allowed; None where the database refuses its connection.
    """

    tables: Mapping[str, frozenset[str]]
    row_by_row: frozenset[str]
    roles: Mapping[str, Access | None]


def tried(database: Database) -> Tried:
    """Try every role but the owner in a hospital's database."""
    with database.administrator() as administrator:
        columns = grant_trials.table_columns(administrator, database.schema)
        guarded = _guarded(administrator, database.schema)
    tables = {name: frozenset(one.name for one in columns if one.table == name) for name in _tables(columns)}
    roles = {role: _access(database, role, columns) for role in grants.read().roles if role != OWNER}
    return Tried(tables, guarded, roles)


def page(databases: Mapping[Schema, Database]) -> str:
    """Return the page."""
    results = {schema: tried(database) for schema, database in databases.items()}
    statements = sum(one.statements for result in results.values() for one in result.roles.values() if one)
    lines = [
        f"This run tried {statements} statements.\n",
        *_roles(),
        *(line for schema, result in results.items() for line in _database(schema, result)),
    ]
    return _HEAD + "\n".join(lines) + "\n"


def _roles() -> Iterator[str]:
    yield "| role | connects to | purpose of use | login of Vault | may switch to |"
    yield "|---|---|---|---|---|"
    for name, role in grants.read().roles.items():
        if name != OWNER:
            login = f"`{role.vault_role or name}`" if role.login else "none"
            others = ", ".join(f"`{other}`" for other in role.set_role) or "none"
            yield f"| `{name}` | {', '.join(role.databases)} | {role.purpose} | {login} | {others} |"


def _database(schema: Schema, result: Tried) -> Iterator[str]:
    admitted = {role: access for role, access in result.roles.items() if access is not None}
    refused = [f"`{role}`" for role, access in result.roles.items() if access is None]
    yield f"\n## {schema}"
    yield f"No connection: {', '.join(refused)}.\n"
    yield f"| table | {' | '.join(f'`{role}`' for role in admitted)} |"
    yield f"|---|{'---|' * len(admitted)}"
    for table, columns in sorted(result.tables.items()):
        mark = " (row by row)" if table in result.row_by_row else ""
        cells = " | ".join(cell(access, table, len(columns)) for access in admitted.values())
        yield f"| `{table.partition('.')[2]}`{mark} | {cells} |"


def cell(access: Access, table: str, columns: int) -> str:
    """Return what a role may do with a table."""
    verbs = []
    for verb in Verb:
        count = len(access.columns.get((table, verb), ()))
        if count:
            verbs.append(verb if count == columns else f"{verb} {count} of {columns}")
    verbs += [statement.lower() for statement in access.owner_statements if f" {table}" in statement]
    return ", ".join(verbs) or "none"


def _access(database: Database, role: str, columns: list[Column]) -> Access | None:
    try:
        with database.engine(role).connect() as connection:
            return grant_trials.access(connection, columns)
    except DBAPIError as error:
        if "permission denied for database" in str(error):
            return None
        raise


def _guarded(connection: Connection, schema: Schema) -> frozenset[str]:
    query = (
        "SELECT format('%I.%I', CAST(:schema AS text), relname) FROM pg_class "
        "WHERE relnamespace = CAST(:schema AS regnamespace) AND relrowsecurity"
    )
    return frozenset(connection.scalars(text(query), {"schema": schema.value}))


def _tables(columns: list[Column]) -> list[str]:
    return list(dict.fromkeys(one.table for one in columns))


def main() -> None:
    """Write the page."""
    with temporary_server() as server:
        PAGE.write_text(page(server.hospital()), encoding="utf-8")


if __name__ == "__main__":
    main()
