"""Current resource versions: the newest of each resource, without deleted ones.

Resources are known by hashes here: nothing of them leaves the process that reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from model.curated.statements import run

FLUSH_RESOURCES = 50_000

_SCHEMA = pa.schema(
    {
        "record": pa.int64(),  # type and id
        "owner": pa.int64(),  # the patient's record
        "sequence": pa.int64(),  # the order of file and entry
        "updated": pa.int64(),  # meta.lastUpdated, in microseconds since 1970
        "version": pa.int64(),  # meta.versionId, where it is a number
        "created": pa.bool_(),  # it came with a conditional create, which a server ignores when there is one already
        "used": pa.bool_(),  # not excluded by itself
    }
)
_DELETED = pa.schema({"record": pa.int64(), "sequence": pa.int64(), "deleted_at": pa.int64()})

# A deletion ends what was there before it, by its time where both tell theirs, else by the order.
_ENDED = """
    INSERT INTO dead
    SELECT resources.sequence FROM resources JOIN deletions USING (record)
    WHERE CASE
        WHEN deleted_at IS NOT NULL AND updated IS NOT NULL THEN updated <= deleted_at
        ELSE resources.sequence < deletions.sequence
    END
"""
# A record's versions are compared by what all of them carry: the time of the change, the version, at last the order.
_SUPERSEDED = """
    INSERT INTO dead
    WITH contested AS (
        SELECT record, count(*) AS versions, count(updated) AS timed, count(version) AS numbered,
            bool_or(created) AS creates
        FROM resources GROUP BY record HAVING count(*) > 1
    ), ranked AS (
        SELECT sequence, row_number() OVER (
            PARTITION BY record ORDER BY
                creates AND sequence IN (SELECT sequence FROM dead),
                CASE WHEN timed = versions THEN updated END DESC,
                CASE WHEN numbered = versions THEN version END DESC,
                created,
                CASE WHEN created THEN -sequence ELSE sequence END DESC
        ) AS place
        FROM resources JOIN contested USING (record)
    )
    SELECT sequence FROM ranked WHERE place > 1
"""
# What belongs to a patient who was deleted, and is not there again, goes with the patient.
_ORPHANED = """
    INSERT INTO dead
    SELECT sequence FROM resources
    WHERE owner IN (SELECT record FROM deletions)
    AND owner NOT IN (SELECT record FROM resources WHERE sequence NOT IN (SELECT sequence FROM dead))
"""

_DEAD = f"CREATE TEMP TABLE dead (sequence BIGINT); {_ENDED}; {_SUPERSEDED}; {_ORPHANED}"


@dataclass
class Versions:
    """Version index of resources, with bounded memory."""

    folder: Path
    _resources: list[tuple[int, int, int, int | None, int | None, bool, bool]] = field(default_factory=list)
    _deletions: list[tuple[int, int, int | None]] = field(default_factory=list)
    _writer: pq.ParquetWriter | None = None

    @property
    def _file(self) -> Path:
        return self.folder / "resources.parquet"

    def resource(
        self,
        record: int,
        owner: int,
        sequence: int,
        updated: int | None,
        version: int | None,
        *,
        used: bool = True,
        created: bool = False,
    ) -> None:
        """Note one version of a record; one that is excluded supersedes others all the same."""
        self._resources.append((record, owner, sequence, updated, version, created, used))
        if len(self._resources) >= FLUSH_RESOURCES:
            self._flush()

    def deletion(self, record: int, sequence: int, at: int | None) -> None:
        """Note that a record was deleted."""
        self._deletions.append((record, sequence, at))

    def find_dead(self, database: duckdb.DuckDBPyConnection) -> int:
        """Fill a table ``dead`` with the sequence of each resource that is not in force; return how many were used."""
        if self._writer is None:
            database.register("resources", _columns(self._resources, _SCHEMA))
        else:
            self._flush()
            self._writer.close()
            database.from_parquet(str(self._file)).create_view("resources")
        database.register("deletions", _columns(self._deletions, _DELETED))
        run(database, _DEAD)
        dead = database.execute("SELECT count(*) FROM resources SEMI JOIN dead USING (sequence) WHERE used").fetchall()
        return int(dead[0][0])

    def _flush(self) -> None:
        if self._resources:
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._file, _SCHEMA, use_dictionary=False)
            self._writer.write_table(_columns(self._resources, _SCHEMA))
            self._resources = []


def _columns(rows: Sequence[tuple[int | bool | None, ...]], schema: pa.Schema) -> pa.Table:
    columns: list[tuple[int | bool | None, ...]] = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)], schema=schema)
