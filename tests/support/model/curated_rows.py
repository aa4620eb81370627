"""Rows of the curated tables of hospital north."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from model.curated import curated_tables


def rows(out: Path, table: str) -> list[dict[str, Any]]:
    """Return the rows of one published table."""
    manifest = curated_tables.read_manifest(str(out / "hospital=north"))
    assert manifest is not None
    found: list[dict[str, Any]] = pq.read_table(out / "hospital=north" / manifest.tables[table]["file"]).to_pylist()
    return found
