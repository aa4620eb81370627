"""Rows on their way: staged to disk as they come, then deduplicated, sorted and completed in one pass."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from model.deid.groups import groups
from model.ingestion import cells, coverage
from model.ingestion.curated import (
    COLUMNS,
    CONSTANT_LINEAGE,
    DERIVED,
    FILE_LINEAGE,
    ROW_GROUP,
    STAGED_ONLY,
    schema,
)
from model.ingestion.flatten import Row
from model.ingestion.versions import Versions

FLUSH_ROWS = 20_000
MEMORY_LIMIT = "192MB"
"""What DuckDB may use; what needs more goes through the scratch folder."""
FOLLOW_UP_DAYS = 30
DAY_SECONDS = 86_400
OLDEST_AGE = 89

_TABLES = {**COLUMNS, **STAGED_ONLY}
# Only while staged: which resource a row is from, and how far an encounter was shifted.
_STAGED = {"sequence": pa.int64(), "shift_days": pa.int32()}
# The moments that say up to when a patient is known to live.
_LATEST = {
    "encounter": ("started_at", "ended_at"),
    "condition": ("onset_at", "recorded_at"),
    "observation": ("taken_at", "known_at"),
    "medication_request": ("authored_at",),
}


@dataclass(frozen=True)
class Finished:
    """A table as it is published."""

    file: Path
    rows: int
    sha256: str


class Staging:
    """Collects rows of all tables with bounded memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._database = ibis.duckdb.connect(threads=1, memory_limit=MEMORY_LIMIT, temp_directory=str(folder / "spill"))
        self._rows: dict[str, list[Row]] = {name: [] for name in _TABLES}
        self._schemas = {name: _staged_schema(name) for name in _TABLES}
        self._writers = {
            name: pq.ParquetWriter(self._file(name), self._schemas[name], use_dictionary=list(FILE_LINEAGE))
            for name in _TABLES
        }
        self.versions = Versions(folder)
        self._groups: ibis.Table = ibis.memtable({})

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._database.disconnect()

    def add(self, table: str, row: Row) -> None:
        """Stage one row: its columns, the form and hash of its file, its sequence and the shift in days."""
        waiting = self._rows[table]
        waiting.append(row)
        if len(waiting) >= FLUSH_ROWS:
            self._flush(table)

    def close(self) -> int:
        """Write what waits, and find what is not in force; return how many resources are not."""
        for name, writer in self._writers.items():
            self._flush(name)
            writer.close()
        return self.versions.find_dead(self._database.con)

    def finish(self, table: str, *, constants: dict[str, str | int], observed_until: datetime | None) -> Finished:
        """Write a table as it is published: what is in force, in a stable order, with its lineage."""
        complete = self._in_force(table)
        if table == "encounter":
            complete = self._with_payer(complete.mutate(followed=self._followed(complete, observed_until)))
        if table == "patient":
            complete = self._with_groups(self._without_age(complete))
        complete = complete.mutate(**{name: ibis.literal(constants[name]) for name in CONSTANT_LINEAGE})
        names = schema(table).names
        order = [name for name in COLUMNS[table] if name not in DERIVED]
        ordered = complete.select(names).distinct().order_by(order)
        file = self._folder / f"{table}.published.parquet"
        rows = 0
        with pq.ParquetWriter(file, schema(table), compression="zstd") as writer:
            for batch in self._database.con.sql(self._database.compile(ordered)).to_arrow_reader(ROW_GROUP):
                rows += batch.num_rows
                writer.write_table(pa.Table.from_batches([batch]).cast(schema(table)))
        self._file(table).unlink()
        with file.open("rb") as content:
            return Finished(file, rows, hashlib.file_digest(content, "sha256").hexdigest())

    def group(self, deprivation: Mapping[str, str]) -> cells.Cells:
        """Find each patient's groups and suppress what makes small cells; before any table is finished.

        Parameters
        ----------
        deprivation : mapping
            The part of the deprivation index of each three-digit ZIP area.
        """
        encounters, covers = self._in_force("encounter"), self._in_force("coverage")
        create = self._database.create_table
        payers = create("payers", coverage.payers(encounters, covers), temp=True)
        paid = encounters.inner_join(payers, "sequence").distinct(on=["patient_id", "payer"])
        paid = paid.group_by("patient_id").agg(payer=paid.payer.group_concat("+", order_by=paid.payer))
        people = self._without_age(self._in_force("patient"))
        people = people.mutate(
            deprivation=people.zip3.substitute(dict(deprivation), else_=None) if deprivation else ibis.null("string"),
            age_band=cells.age_band(people.latest - people.birth_year),
        )
        people = people.left_join(paid, "patient_id").drop("patient_id_right")
        self._groups, found = cells.suppress(self._database, people)
        return found

    def _with_groups(self, patients: ibis.Table) -> ibis.Table:
        names = groups().table.cells.suppress
        kept = self._groups.select("patient_id", *(name for name in names if name != "payer"))
        return patients.drop(*(name for name in names if name in patients.columns)).inner_join(kept, "patient_id")

    def _with_payer(self, encounters: ibis.Table) -> ibis.Table:
        payers = self._database.table("payers").rename(paid="sequence")
        shown = self._groups.filter(self._groups.payer.notnull()).select(whose="patient_id")
        found = encounters.left_join(payers, encounters.sequence == payers.paid)
        found = found.left_join(shown, found.patient_id == shown.whose)
        return found.mutate(payer=ibis.ifelse(found.whose.notnull(), found.payer, None)).drop("paid", "whose")

    def _in_force(self, table: str) -> ibis.Table:
        staged = self._database.read_parquet(self._file(table))
        return staged.anti_join(self._database.table("dead"), "sequence")

    def _followed(self, encounters: ibis.Table, observed_until: datetime | None) -> ibis.Value:
        """Say whether the 30 days after an encounter lie inside the record, without publishing where it ends.

        The end of the record is one true date for all patients: published, it would undo every patient's shift.
        """
        until = observed_until or self._last_start(encounters)
        if until is None:
            return ibis.literal(False)
        truly = encounters.ended_at.epoch_seconds() - encounters.shift_days.cast("int64") * DAY_SECONDS
        return truly + FOLLOW_UP_DAYS * DAY_SECONDS <= int(until.timestamp())

    def _last_start(self, encounters: ibis.Table) -> datetime | None:
        truly = encounters.started_at.epoch_seconds() - encounters.shift_days.cast("int64") * DAY_SECONDS
        now = int(datetime.now(UTC).timestamp())
        latest = truly.max(where=truly <= now).to_pyarrow().as_py()
        return None if latest is None else datetime.fromtimestamp(latest, UTC)

    def _without_age(self, patients: ibis.Table) -> ibis.Table:
        """Take the birth year from those whose last published year, less it, would tell an age over 89."""
        parts = [
            found.group_by("patient_id").agg(latest=ibis.greatest(*(found[name].year().max() for name in moments)))
            for found, moments in ((self._in_force(table), moments) for table, moments in _LATEST.items())
        ]
        latest = ibis.union(*parts).group_by("patient_id").agg(latest=lambda found: found.latest.max())
        joined = patients.left_join(latest, "patient_id").drop("patient_id_right")
        old = (joined.latest - joined.birth_year > OLDEST_AGE).fill_null(False)
        return joined.mutate(
            birth_year=ibis.ifelse(old, None, joined.birth_year), over_89=ibis.ifelse(old, True, joined.over_89)
        )

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
    own = {name: kind for name, kind in _TABLES[table].items() if name not in DERIVED or table in STAGED_ONLY}
    return pa.schema([*own.items(), *FILE_LINEAGE.items(), *_STAGED.items()])


def _array(values: tuple[object, ...], kind: pa.DataType) -> pa.Array:
    """Return a column; moments come as ISO 8601 text, which Arrow reads faster than Python."""
    return pa.array(values, pa.string()).cast(kind) if pa.types.is_timestamp(kind) else pa.array(values, kind)
