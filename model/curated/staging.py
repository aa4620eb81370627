"""Staged rows: written to disk, then deduplicated, sorted and completed in one pass."""

import hashlib
from collections.abc import Mapping
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
    """Row buffer of all tables, with bounded memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._database = duckdb.connect(
            config={"threads": 1, "memory_limit": MEMORY_LIMIT, "temp_directory": str(folder / "spill")}
        )
        self._rows: dict[str, list[Row]] = {name: [] for name in COLUMNS}
        self._schemas = {name: _staged_schema(name) for name in COLUMNS}
        self._writers = {
            name: pq.ParquetWriter(self._file(name), self._schemas[name], use_dictionary=list(FILE_LINEAGE))
            for name in COLUMNS
        }
        self.versions = Versions(folder)

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._database.close()

    def add(self, table: str, row: Row) -> None:
        """Stage one row: its columns, the form and hash of its file, its sequence and the shift in days."""
        waiting = self._rows[table]
        waiting.append(row)
        if len(waiting) >= FLUSH_ROWS:
            self._flush(table)

    def close(self) -> int:
        """Write what waits, and find what is not in force; return how many used resources are not."""
        for name, writer in self._writers.items():
            self._flush(name)
            writer.close()
        con = self._database
        superseded = self.versions.find_dead(con)
        for name in COLUMNS:
            staged = con.from_parquet(str(self._file(name)))
            staged.join(con.table("dead"), "sequence", how="anti").create_view(f"staged_{name}")
        return superseded

    def complete(self, *, observed_until: datetime | None, zone: tzinfo) -> Completed:
        """Compute what only all records together tell; see :func:`model.curated.completion.complete`."""
        return complete(self._database, observed_until=observed_until, zone=zone)

    def group(self, deprivation: Mapping[str, str]) -> Cells:
        """Find the groups of patients and enlarge small cells; see :func:`model.curated.cells.group`."""
        return group(self._database, deprivation)

    def finish(self, table: str, *, constants: dict[str, str | int]) -> Finished:
        """Write a table as it is published: what is used, in a stable order, with its lineage."""
        completed = self._database.table(GROUPED.get(table, f"complete_{table}"))
        used = completed.join(self._database.table("excluded"), "sequence", how="anti")
        values = [duckdb.ConstantExpression(constants[name]).alias(name) for name in CONSTANT_LINEAGE]
        whole = used.select(duckdb.StarExpression(), *values)
        names = [duckdb.ColumnExpression(name) for name in schema(table).names]
        order = [duckdb.ColumnExpression(name).asc().nulls_last() for name in curated_tables.COLUMNS[table]]
        published = whole.select(*names).distinct().sort(*order)
        file = self._folder / f"{table}.published.parquet"
        rows = 0
        with pq.ParquetWriter(file, schema(table), compression="zstd") as writer:
            for batch in published.to_arrow_reader(ROW_GROUP):
                rows += batch.num_rows
                writer.write_table(pa.Table.from_batches([batch]).cast(schema(table)))
        with file.open("rb") as content:
            return Finished(file, rows, hashlib.file_digest(content, "sha256").hexdigest())

    def _flush(self, table: str) -> None:
        rows, kinds = self._rows[table], self._schemas[table]
        if rows:
            columns = zip(zip(*rows, strict=True), kinds.types, strict=True)
            arrays = [_array(values, kind) for values, kind in columns]
            self._writers[table].write_table(pa.table(arrays, schema=kinds))
            self._rows[table] = []

    def _file(self, table: str) -> Path:
        return self._folder / f"{table}.parquet"


def _staged_schema(table: str) -> pa.Schema:
    return pa.schema([*COLUMNS[table].items(), *FILE_LINEAGE.items(), *_STAGED.items()])


def _array(values: tuple[object, ...], kind: pa.DataType) -> pa.Array:
    """Return a column; moments come as ISO 8601 text, which Arrow reads faster than Python."""
    return pa.array(values, pa.string()).cast(kind) if pa.types.is_timestamp(kind) else pa.array(values, kind)
