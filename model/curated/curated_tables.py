"""Curated tables: schemas, storage layout and the manifest of published files."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from model.curated.resource_table import TEXT
from model.curated.types import resource_tables
from model.errors import UserError
from model.io import storage

SCHEMA_VERSION = 3
CLASSIFICATION = "de-identified"
MANIFEST = "manifest.json"
ROW_GROUP = 50_000

COLUMNS: Mapping[str, Mapping[str, pa.DataType]] = {
    table.name: table.columns for table in resource_tables().values() if table.columns
}
"""The columns of each published table."""
FILE_LINEAGE: Mapping[str, pa.DataType] = {
    "source": TEXT,  # bundle, ndjson or resource
    "source_sha256": TEXT,
}
CONSTANT_LINEAGE: Mapping[str, pa.DataType] = {
    "hospital": TEXT,
    "ingest_run": TEXT,
    "schema_version": pa.int32(),
    "classification": TEXT,
}
TABLES = tuple(COLUMNS)


@dataclass(frozen=True)
class Manifest:
    """Manifest of a hospital's curated tables: files, lineage and counts."""

    hospital: str
    schema_version: int
    classification: str
    input_digest: str
    rules_digest: str
    key_version: str
    tables: dict[str, dict[str, Any]]
    counts: dict[str, int]
    return_days: int
    """The readmission window for which ``encounter.followed`` holds."""
    zone: str = "UTC"
    excluded: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    files_passed_over: dict[str, int] = field(default_factory=dict)
    bundles_incomplete: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    smallest_cell: int | None = None
    suppressed: dict[str, int] = field(default_factory=dict)

    @property
    def content_digest(self) -> str:
        """The hash of all tables together."""
        hashes = [f"{name}:{table['sha256']}" for name, table in sorted(self.tables.items())]
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def schema(table: str) -> pa.Schema:
    """Return the columns of a published table."""
    return pa.schema(list(COLUMNS[table].items()) + list(FILE_LINEAGE.items()) + list(CONSTANT_LINEAGE.items()))


def folder(out: str, hospital: str) -> str:
    """Return the place of a hospital's partition."""
    return storage.join(out, f"hospital={hospital}")


def read_manifest(partition: str) -> Manifest | None:
    """Return the manifest of a partition, if one was published."""
    content = storage.read_if_any(storage.join(partition, MANIFEST))
    if content is None:
        return None
    try:
        return Manifest(**json.loads(content))
    except (ValueError, TypeError):
        raise UserError(f"The manifest in {partition} cannot be read; remove it and run ingest again.") from None


def publish(partition: str, manifest: Manifest, files: Mapping[str, Path]) -> None:
    """Write the tables, then the manifest that makes them count, then drop what no longer counts.

    A kill at any moment leaves the old manifest with its files or the new one with its own. Two runs at once end
    with one whole output: files are named by run and content, and a local folder is written by one run at a time.
    """
    with storage.alone(partition):
        before = read_manifest(partition)
        for table, file in files.items():
            storage.put_file(storage.join(partition, manifest.tables[table]["file"]), file)
        storage.write(
            storage.join(partition, MANIFEST), json.dumps(asdict(manifest), indent=2, sort_keys=True).encode()
        )
        _sweep(partition, manifest, before)


def tidy(partition: str, manifest: Manifest) -> None:
    """Drop what a killed run left beside the published files."""
    with storage.alone(partition):
        if read_manifest(partition) == manifest:
            _sweep(partition, manifest, None)


def is_whole(partition: str, manifest: Manifest) -> bool:
    """Return whether every file that a manifest names is there."""
    stored = {file.place: file for file in storage.listing(partition, (".parquet",))}
    for table in manifest.tables.values():
        file = stored.get(storage.join(partition, table["file"]))
        if file is None or (not storage.is_s3(partition) and file.mark != table["sha256"]):
            return False
    return True


def _sweep(partition: str, manifest: Manifest, before: Manifest | None) -> None:
    counted = {storage.join(partition, table["file"]) for table in manifest.tables.values()}
    replaced = {storage.join(partition, table["file"]) for table in before.tables.values()} if before else set()
    for place in replaced - counted:
        storage.remove(place)
    storage.sweep(partition, ".parquet", keep=counted)


def to_parquet(table: pa.Table) -> bytes:
    """Return a table as Parquet; the same table gives the same bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=ROW_GROUP)
    return sink.getvalue()


def download(curated: str, into: Path) -> list[Manifest]:
    """Fetch every hospital's tables below a place, checked against their manifests, as ``into/<table>/*.parquet``."""
    manifests = []
    for name in storage.folders(curated):
        partition = storage.join(curated, name)
        manifest = read_manifest(partition) if name.startswith("hospital=") else None
        if manifest is None:
            continue
        manifests.append(manifest)
        for table, entry in manifest.tables.items():
            content = storage.read(storage.join(partition, entry["file"]))
            if hashlib.sha256(content).hexdigest() != entry["sha256"]:
                raise UserError(f"The table {table} in {partition} differs from its manifest; run ingest again.")
            target = into / table / f"{manifest.hospital}.parquet"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    if not manifests:
        raise UserError(f"There are no curated tables at {curated}; run ingest with --out {curated} first.")
    return manifests
