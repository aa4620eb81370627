"""SQL scripts as parsed statements: to parse them takes as long as to run them on one patient's rows."""

import functools

import duckdb


@functools.cache
def parsed(text: str) -> tuple[duckdb.Statement, ...]:
    """Return the statements of a script; they run on any connection, and on several at once."""
    with _database().cursor() as connection:
        return tuple(connection.extract_statements(text))


def run(connection: duckdb.DuckDBPyConnection, text: str, values: dict[str, object] | None = None) -> None:
    """Run the statements of a script, each with the same values."""
    for statement in parsed(text):
        connection.execute(statement, values)


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    """Return an empty database, for its parser: to open one for each text takes longer than to parse it."""
    return duckdb.connect()
