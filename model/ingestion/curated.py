"""The curated tables: their columns, where they lie, and the manifest that says which files count."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from model import places
from model.errors import UserError

SCHEMA_VERSION = 1
CLASSIFICATION = "de-identified"
MANIFEST = "manifest.json"

_MOMENT = pa.timestamp("us", tz="UTC")
_TEXT = pa.string()
_REAL = pa.float64()

COLUMNS: Mapping[str, Mapping[str, pa.DataType]] = {
    "patient": {
        "patient_id": _TEXT,
        "sex": _TEXT,
        "birth_year": pa.int32(),
        "over_89": pa.bool_(),
        "deceased": pa.bool_(),
        "deceased_at": _MOMENT,
        "state": _TEXT,
        "zip3": _TEXT,
    },
    "encounter": {
        "encounter_id": _TEXT,
        "patient_id": _TEXT,
        "status": _TEXT,
        "class": _TEXT,
        "started_at": _MOMENT,
        "ended_at": _MOMENT,
        "admit_source": _TEXT,
        "disposition": _TEXT,
        "followed": pa.bool_(),
    },
    "condition": {
        "condition_id": _TEXT,
        "patient_id": _TEXT,
        "encounter_id": _TEXT,
        "system": _TEXT,
        "code": _TEXT,
        "clinical_status": _TEXT,
        "verification_status": _TEXT,
        "onset_at": _MOMENT,
        "recorded_at": _MOMENT,
    },
    "observation": {
        "observation_id": _TEXT,
        "patient_id": _TEXT,
        "encounter_id": _TEXT,
        "status": _TEXT,
        "code": _TEXT,
        "value": _REAL,
        "unit": _TEXT,
        "comparator": _TEXT,
        "taken_at": _MOMENT,
        "known_at": _MOMENT,
    },
    "medication_request": {
        "medication_request_id": _TEXT,
        "patient_id": _TEXT,
        "encounter_id": _TEXT,
        "status": _TEXT,
        "code": _TEXT,
        "authored_at": _MOMENT,
    },
}
LINEAGE: Mapping[str, pa.DataType] = {
    "hospital": _TEXT,
    "source": _TEXT,
    "source_sha256": _TEXT,
    "ingest_run": _TEXT,
    "schema_version": pa.int32(),
    "classification": _TEXT,
}
TABLES = tuple(COLUMNS)


@dataclass(frozen=True)
class Manifest:
    """Which files hold a hospital's tables, and what they were made from."""

    hospital: str
    schema_version: int
    classification: str
    input_digest: str
    rules_digest: str
    key_version: str
    tables: dict[str, dict[str, Any]]
    counts: dict[str, int]

    @property
    def content_digest(self) -> str:
        """The hash of all tables together."""
        hashes = [f"{name}:{table['sha256']}" for name, table in sorted(self.tables.items())]
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def schema(table: str) -> pa.Schema:
    """Return the columns of a published table."""
    return pa.schema(list(COLUMNS[table].items()) + list(LINEAGE.items()))


def folder(out: str, hospital: str) -> str:
    """Return the place of a hospital's partition."""
    return places.join(out, f"hospital={hospital}")


def read_manifest(partition: str) -> Manifest | None:
    """Return the manifest of a partition, if one was published."""
    content = places.read_if_any(places.join(partition, MANIFEST))
    if content is None:
        return None
    try:
        return Manifest(**json.loads(content))
    except (ValueError, TypeError):
        raise UserError(f"The manifest in {partition} cannot be read; remove it and run ingest again.") from None


def publish(partition: str, manifest: Manifest, contents: Mapping[str, bytes]) -> None:
    """Write the tables, then the manifest that makes them count, then drop what no longer counts."""
    for table, content in contents.items():
        places.write(places.join(partition, manifest.tables[table]["file"]), content)
    text = json.dumps(asdict(manifest), indent=2, sort_keys=True)
    places.write(places.join(partition, MANIFEST), text.encode())
    counted = {places.join(partition, table["file"]) for table in manifest.tables.values()}
    for stored in places.listing(partition):
        if stored.place.endswith(".parquet") and stored.place not in counted:
            places.remove(stored.place)


def to_parquet(table: pa.Table) -> bytes:
    """Return a table as Parquet; the same table gives the same bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=100_000)
    return sink.getvalue()


def download(curated: str, into: Path) -> list[Manifest]:
    """Fetch every hospital's tables below a place, checked against their manifests, as ``into/<table>/*.parquet``."""
    manifests = []
    for name in places.folders(curated):
        partition = places.join(curated, name)
        manifest = read_manifest(partition) if name.startswith("hospital=") else None
        if manifest is None:
            continue
        manifests.append(manifest)
        for table, entry in manifest.tables.items():
            content = places.read(places.join(partition, entry["file"]))
            if hashlib.sha256(content).hexdigest() != entry["sha256"]:
                raise UserError(f"The table {table} in {partition} differs from its manifest; run ingest again.")
            target = into / table / f"{manifest.hospital}.parquet"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    if not manifests:
        raise UserError(f"There are no curated tables at {curated}; run ingest with --out {curated} first.")
    return manifests
