"""Curated tables that features are computed from: fetched, checked, and open in a query engine."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ibis
import pyarrow.parquet as pq

from model.curated import curated_tables
from model.definitions.features import definitions, digest
from model.errors import UserError
from model.features.engines import Engine, engine


@dataclass(frozen=True)
class CuratedInput:
    """Curated tables in a folder, with what runs expressions on them and what features of them are made from."""

    engine: Engine
    tables: dict[str, ibis.Table]
    made_from: dict[str, object]
    manifests: tuple[curated_tables.Manifest, ...]
    folder: Path


@contextmanager
def opened_tables(place: str, engine_name: str) -> Iterator[CuratedInput]:
    """Fetch the curated tables of a place, and open them in a query engine."""
    with engine(engine_name) as runs, tempfile.TemporaryDirectory(prefix="features-") as scratch:
        folder = Path(scratch)
        manifests = curated_tables.download(place, folder)
        _check(folder, manifests, place)
        yield CuratedInput(
            runs,
            runs.tables(folder),
            {
                "definition_digest": digest(),
                "definition_version": definitions().version,
                "return_days": definitions().stay.return_days,
                "curated": {manifest.hospital: manifest.content_digest for manifest in manifests},
                "ingest": {manifest.hospital: manifest.input_digest for manifest in manifests},
            },
            tuple(manifests),
            folder,
        )


def _check(folder: Path, manifests: list[curated_tables.Manifest], place: str) -> None:
    for manifest in manifests:
        if manifest.schema_version != curated_tables.SCHEMA_VERSION:
            raise UserError(
                f"The tables of hospital {manifest.hospital} at {place} have schema {manifest.schema_version}, this "
                f"program reads {curated_tables.SCHEMA_VERSION}; run ingest again."
            )
        window = definitions().stay.return_days
        if manifest.return_days != window:
            raise UserError(
                f"The tables of hospital {manifest.hospital} at {place} were made for a readmission window of "
                f"{manifest.return_days} days, but model/definitions/features.yaml has return_days: {window}; "
                "run ingest again."
            )
        for name, columns in curated_tables.COLUMNS.items():
            file = folder / name / f"{manifest.hospital}.parquet"
            if not file.exists():
                raise UserError(f"Hospital {manifest.hospital} at {place} has no table {name}; run ingest again.")
            absent = sorted({*columns, "hospital"} - set(pq.read_schema(file).names))
            if absent:
                raise UserError(f"The table {name} at {place} has no {', '.join(absent)}; run ingest again.")
