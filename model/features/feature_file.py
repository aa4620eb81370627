"""Features files: the Parquet files that ``python -m model features`` writes, and what each was made from."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq

from model.curated.curated_tables import to_parquet
from model.definitions.features import digest
from model.errors import UserError
from model.io import storage

METADATA = b"healthcare-mlops"


def load(place: str) -> tuple[pa.Table, dict[str, object]]:
    """Return a features file and what it was made from."""
    return parse(storage.read(place), place)


def parse(content: bytes, place: str) -> tuple[pa.Table, dict[str, object]]:
    """Return the content of a features file and what it was made from; ``place`` is named in errors."""
    try:
        table = pq.read_table(io.BytesIO(content))
        made_from: dict[str, object] = json.loads((table.schema.metadata or {})[METADATA])
        same = made_from["definition_digest"] == digest()
    except (pa.ArrowInvalid, KeyError, ValueError, TypeError):
        raise UserError(f"{place} is not a features file; make one with python -m model features.") from None
    if not same:
        raise UserError(f"{place} was made with other feature definitions; run python -m model features again.")
    return table, made_from


def file_content(found: pa.Table, made_from: dict[str, object]) -> bytes:
    """Return a features file of rows, with what they were made from."""
    table = found.replace_schema_metadata({METADATA: json.dumps(made_from, sort_keys=True).encode()})
    return to_parquet(table)
