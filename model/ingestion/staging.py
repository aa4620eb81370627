"""Rows on their way: staged to disk as they come, then deduplicated, sorted and completed in one pass."""

from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from model.ingestion.curated import COLUMNS, LINEAGE, schema

FLUSH_ROWS = 20_000
FOLLOW_UP_DAYS = 30
DAY_SECONDS = 86_400

# Only while staged: which of two records with the same id came last, and how far an encounter was shifted.
_STAGED = {"sequence": pa.int64(), "shift_days": pa.int32()}


class Staging:
    """Collects rows of all tables with bounded memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._database = ibis.duckdb.connect(threads=2)
        self._rows: dict[str, list[dict[str, Any]]] = {name: [] for name in COLUMNS}
        self._writers = {name: pq.ParquetWriter(self._file(name), self._schema(name)) for name in COLUMNS}

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        for name in self._writers:
            self._flush(name)
            self._writers[name].close()

    def add(self, table: str, row: dict[str, Any]) -> None:
        """Stage one row."""
        waiting = self._rows[table]
        waiting.append(row)
        if len(waiting) >= FLUSH_ROWS:
            self._flush(table)

    def finish(self, table: str, *, run: str, observed_until: datetime | None) -> pa.Table:
        """Return a table as it is published: the last record of each id, in a stable order, with its lineage."""
        staged = self._database.read_parquet(self._file(table))
        last = staged.sequence == staged.sequence.max().over(ibis.window(group_by=f"{table}_id"))
        complete = staged.filter(last).mutate(ingest_run=ibis.literal(run))
        if table == "encounter":
            complete = complete.mutate(followed=self._followed(complete, observed_until))
        names = schema(table).names
        return complete.select(names).distinct().order_by(names).to_pyarrow().cast(schema(table))

    def _followed(self, encounters: ibis.Table, observed_until: datetime | None) -> ibis.Value:
        """Say whether the 30 days after an encounter lie inside the record, without publishing where it ends.

        The end of the record is one true date for all patients: published, it would undo every patient's shift.
        """
        until = observed_until or self._last_start()
        if until is None:
            return ibis.literal(False)
        truly = encounters.ended_at.epoch_seconds() - encounters.shift_days.cast("int64") * DAY_SECONDS
        return truly + FOLLOW_UP_DAYS * DAY_SECONDS <= int(until.timestamp())

    def _last_start(self) -> datetime | None:
        staged = self._database.read_parquet(self._file("encounter"))
        truly = staged.started_at.epoch_seconds() - staged.shift_days.cast("int64") * DAY_SECONDS
        now = int(datetime.now(UTC).timestamp())
        latest = truly.max(where=truly <= now).to_pyarrow().as_py()
        return None if latest is None else datetime.fromtimestamp(latest, UTC)

    def _flush(self, table: str) -> None:
        if self._rows[table]:
            self._writers[table].write_table(pa.Table.from_pylist(self._rows[table], schema=self._schema(table)))
            self._rows[table] = []

    def _file(self, table: str) -> Path:
        return self._folder / f"{table}.parquet"

    def _schema(self, table: str) -> pa.Schema:
        return pa.schema([*COLUMNS[table].items(), *LINEAGE.items(), *_STAGED.items()])
