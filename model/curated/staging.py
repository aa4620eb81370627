"""Staged rows: written to disk, then deduplicated, sorted and completed in one pass."""

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from types import TracebackType

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from model.curated import curated_tables
from model.curated.cells import GROUPED, Cells, group
from model.curated.completion import Completed, complete
from model.curated.curated_tables import CONSTANT_LINEAGE, FILE_LINEAGE, ROW_GROUP, schema
from model.curated.resource_table import Row
from model.curated.statements import run
from model.curated.types import resource_tables
from model.curated.versions import Versions

FLUSH_ROWS = 20_000
MEMORY_LIMIT = "192MB"
"""What DuckDB may use; what needs more goes through the scratch folder."""

COLUMNS = {table.name: table.staged for table in resource_tables().values()}
"""The columns of staged rows, in order; then lineage and the two of ``_STAGED``."""
# Which resource a row is from, and by how many days its moments are shifted.
_STAGED = {"sequence": pa.int64(), "shift_days": pa.int32()}


@dataclass(frozen=True)
class Finished:
    """A published table."""

    file: Path
    rows: int
    sha256: str


class Staging:
    """Row buffer of all tables, with bounded memory.

    Parameters
    ----------
    folder
        Where rows wait for the others.
    record
        A connection of its own for the record of one patient, whose rows stay in memory: they are few, so that what
        is used several times is computed once.
    """

    def __init__(self, folder: Path, record: duckdb.DuckDBPyConnection | None = None) -> None:
        self._folder = folder
        self._small = record is not None
        self.database = record or duckdb.connect(
            config={"threads": 1, "memory_limit": MEMORY_LIMIT, "temp_directory": str(folder / "spill")}
        )
        self._rows: dict[str, list[Row]] = {name: [] for name in COLUMNS}
        self._writers: dict[str, pq.ParquetWriter] = {}
        self.versions = Versions(folder)

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.database.close()

    def add(self, table: str, row: Row) -> None:
        """Stage one row: its columns, the form and hash of its file, its sequence and the shift in days."""
        waiting = self._rows[table]
        waiting.append(row)
        if len(waiting) >= FLUSH_ROWS and not self._small:
            self._flush(table)

    def close(self) -> int:
        """Write what waits, and find what is not in force; return how many used resources are not."""
        con = self.database
        superseded = self.versions.find_dead(con)
        for name in COLUMNS:
            if self._small:
                con.register(f"rows_{name}", _columns(name, self._rows[name]))
            else:
                self._flush(name)
                self._writer(name).close()
                con.from_parquet(str(self._file(name))).create_view(f"rows_{name}")
            run(con, self._sized(f"CREATE TEMP VIEW staged_{name} AS FROM rows_{name} ANTI JOIN dead USING (sequence)"))
        return superseded

    def complete(self, *, observed_until: datetime | None, zone: tzinfo) -> Completed:
        """Compute what only all records together tell; see :func:`model.curated.completion.complete`."""
        return complete(self.database, observed_until=observed_until, zone=zone, sized=self._sized)

    def group(self, deprivation: Mapping[str, str]) -> Cells:
        """Find the groups of patients and enlarge small cells; see :func:`model.curated.cells.group`."""
        return group(self.database, deprivation)

    def finish(self, table: str, *, constants: dict[str, str | int]) -> Finished:
        """Write a table as it is published: what is used, in a stable order, with its lineage."""
        published = self.database.sql(_published(table, constants))
        file = self._folder / f"{table}.published.parquet"
        rows = 0
        with pq.ParquetWriter(file, schema(table), compression="zstd") as writer:
            for batch in published.to_arrow_reader(ROW_GROUP):
                rows += batch.num_rows
                writer.write_table(pa.Table.from_batches([batch]).cast(schema(table)))
        with file.open("rb") as content:
            return Finished(file, rows, hashlib.file_digest(content, "sha256").hexdigest())

    def used(self, table: str, columns: Iterable[str]) -> None:
        """Make ``used_<table>``: some columns of what is used, without groups of patients."""
        run(self.database, f"CREATE TEMP TABLE used_{table} AS {_used(f'complete_{table}', map(_quoted, columns))}")

    def _sized(self, script: str) -> str:
        """Return a script for the number of rows: of few rows, what is computed is kept."""
        return script.replace("CREATE TEMP VIEW", "CREATE TEMP TABLE") if self._small else script

    def _writer(self, table: str) -> pq.ParquetWriter:
        if table not in self._writers:
            self._writers[table] = pq.ParquetWriter(
                self._file(table), _staged_schema(table), use_dictionary=list(FILE_LINEAGE)
            )
        return self._writers[table]

    def _flush(self, table: str) -> None:
        if self._rows[table]:
            self._writer(table).write_table(_columns(table, self._rows[table]))
            self._rows[table] = []

    def _file(self, table: str) -> Path:
        return self._folder / f"{table}.parquet"


def _published(table: str, constants: Mapping[str, str | int]) -> str:
    """Return the query of a published table, in a stable order."""
    values = [f"{_literal(constants[name])} AS {name}" for name in CONSTANT_LINEAGE]
    columns = [name for name in schema(table).names if name not in CONSTANT_LINEAGE]
    used = _used(GROUPED.get(table, f"complete_{table}"), [*map(_quoted, columns), *values])
    order = ", ".join(f"{_quoted(name)} NULLS LAST" for name in curated_tables.COLUMNS[table])
    return f"{used} ORDER BY {order}"


def _used(completed: str, columns: Iterable[str]) -> str:
    return f"FROM {completed} ANTI JOIN excluded USING (sequence) SELECT DISTINCT {', '.join(columns)}"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def _columns(table: str, rows: list[Row]) -> pa.Table:
    kinds = _staged_schema(table)
    columns = zip(zip(*rows, strict=True), kinds.types, strict=True) if rows else (((), kind) for kind in kinds.types)
    return pa.table([_array(values, kind) for values, kind in columns], schema=kinds)


@functools.cache
def _staged_schema(table: str) -> pa.Schema:
    return pa.schema([*COLUMNS[table].items(), *FILE_LINEAGE.items(), *_STAGED.items()])


def _array(values: tuple[object, ...], kind: pa.DataType) -> pa.Array:
    """Return a column; moments come as ISO 8601 text, which Arrow reads faster than Python."""
    return pa.array(values, pa.string()).cast(kind) if pa.types.is_timestamp(kind) else pa.array(values, kind)
