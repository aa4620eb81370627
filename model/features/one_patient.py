"""Features of one patient in memory: the expressions of the batch as SQL that is made once, for the rows of a request.

What the statements are made from are the columns of the tables alone. The rows are in temporary tables of a connection
of its own, which end with it, so nothing of a patient is left for the next one.
"""

from datetime import datetime

import duckdb
import ibis
import pyarrow as pa
from ibis.expr import operations

from model.curated.record import COLUMNS
from model.curated.statements import parsed, run
from model.definitions.features import definitions
from model.features import asof
from model.features.build import ALL_STAYS, known_features
from model.features.feature_rows import schema, shaped

MEMORY = "512MB"
"""What the rows of all requests at one time may use; nothing of them is written to disk."""


def _of_session(_name: str) -> None:
    """Stand for a variable of the session: a constant to a statement, which is bound for each request."""


_variable = ibis.udf.scalar.builtin(_of_session, name="getvariable", signature=(("string",), asof.INSTANT))


class OnePatient:
    """Computes features of one patient after another; safe to use from several threads.

    The rows are in tables ``patient_<table>`` of a connection of :meth:`cursor`, with the columns of ``COLUMNS``.
    """

    def __init__(self) -> None:
        self._database = duckdb.connect(config={"threads": 1, "memory_limit": MEMORY, "temp_directory": ""})
        self._steps: list[str] = []
        self._kept: dict[str, ibis.Table] = {}
        tables = {name: ibis.table(_schema(name), name=f"patient_{name}") for name in COLUMNS}
        as_of = _variable("as_of")
        row = known_features(tables, as_of, keep=self._keep)
        self._row, self._columns = self._sql(row), row.columns
        all_stays = self._kept[ALL_STAYS]
        self._reasons = self._sql(asof.leaving(all_stays, as_of).select("exclusion_reason"))
        newest = ibis.union(*(asof.newest(tables, name).as_table() for name in asof.KNOWN))
        self._newest = self._sql(newest.newest.max().as_table())

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection whose temporary tables no other one sees."""
        cursor = self._database.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        # To optimize a statement takes longer than to run it on so few rows.
        cursor.execute("PRAGMA disable_optimizer")
        return cursor

    def newest_at(self, rows: duckdb.DuckDBPyConnection) -> datetime | None:
        """Return when the patient's newest record became known."""
        ((moments,),) = _rows(rows, self._newest)
        return moments if isinstance(moments, datetime) else None

    def as_known(self, rows: duckdb.DuckDBPyConnection, at: datetime) -> pa.Table:
        """Return the feature rows of the stays that last until a moment, from what was recorded by then."""
        run(rows, "SET VARIABLE as_of = $at::TIMESTAMPTZ", {"at": at})
        for step in self._steps:
            run(rows, step)
        wanted = schema(definitions(), fresh=True)
        records = [dict(zip(self._columns, row, strict=True)) for row in _rows(rows, self._row)]
        return shaped(pa.Table.from_pylist(records, schema=wanted), definitions(), fresh=True)

    def exclusion_reasons(self, rows: duckdb.DuckDBPyConnection) -> list[str | None]:
        """Return why the stays that last until the moment of :meth:`as_known` are not scored; None where they are."""
        return [None if reason is None else str(reason) for (reason,) in _rows(rows, self._reasons)]

    def _keep(self, name: str, part: ibis.Table) -> ibis.Table:
        self._steps.append(f"CREATE TEMP TABLE {name} AS {self._sql(part)}")
        self._kept[name] = ibis.table(part.schema(), name=name)
        return self._kept[name]

    def _sql(self, part: ibis.Table) -> str:
        """Return a part as SQL; the small tables of the definitions that it reads are put into the database."""
        for table in part.op().find(operations.InMemoryTable):
            self._database.register("definition", table.data.to_pyarrow(table.schema))
            self._database.execute(f'CREATE TABLE IF NOT EXISTS "{table.name}" AS FROM definition')
            self._database.unregister("definition")
        return str(ibis.to_sql(part, dialect="duckdb"))


def _schema(table: str) -> ibis.Schema:
    return ibis.Schema.from_pyarrow(pa.schema([*COLUMNS[table].items(), ("hospital", pa.string())]))


def _rows(rows: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    (statement,) = parsed(query)
    fetched: list[tuple[object, ...]] = rows.execute(statement).fetchall()
    return fetched
