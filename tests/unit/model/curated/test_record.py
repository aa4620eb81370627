"""Rows of one patient's record in memory are those that the ingestion of the same record publishes."""

import functools
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.curated import curated_tables
from model.curated.record import COLUMNS, record_rows
from model.curated.run import ingest
from model.errors import UserError
from model.fhir.record_use import record_use
from model.synthesis.run import synthesize
from tests.support.care.discharges import stays
from tests.support.model.model_world import RING

pytestmark = pytest.mark.process
NO_LIMITS = dict.fromkeys(record_use().limits.shares, 1.0)
CHANGES: list[dict[str, Any]] = [
    {},
    {"status": "entered-in-error"},
    {"meta": {"versionId": "2"}},
    {"period": {}},
    {"effectiveDateTime": "1066"},
]
Rows = dict[str, Counter[Any]]


@functools.cache
def patients() -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Give some patients with their resources."""
    with tempfile.TemporaryDirectory() as folder:
        synthesize(patients=12, seed=9, out=folder)
        return [
            (stay.patient, [one for one in stay.resources if one is not stay.patient]) for stay in stays(Path(folder))
        ]


@st.composite
def records(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Give a patient with some of the resources, of which some were withdrawn, changed, doubled or lost a date."""
    patient, resources = draw(st.sampled_from(patients()))
    chosen = draw(st.lists(st.sampled_from(resources), min_size=1, max_size=12))
    changes = st.sampled_from(
        [
            {},
            {"status": "entered-in-error"},
            {"meta": {"versionId": "2"}},
            {"period": {}},
            {"effectiveDateTime": "1066"},
        ]
    )
    return [patient, *(one | draw(changes) for one in chosen)]


def in_memory(source: Path) -> Rows | None:
    """Give the rows of the record by table; nothing where it is refused."""
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        try:
            with record_rows(str(source), hospital="north", ring=RING, zone=None, cursor=database.cursor) as rows:
                rows.execute("SET TimeZone = 'UTC'")
                return {name: Counter(rows.execute(f"FROM used_{name}").fetchall()) for name in COLUMNS}
        except UserError:
            return None


def published(source: Path, out: Path) -> Rows | None:
    """Give the rows that an ingestion publishes, without groups of patients."""
    try:
        ingest(str(source), hospital="north", out=str(out), ring=RING, max_bad_share=1.0, limits=NO_LIMITS)
    except UserError:
        return None
    curated_tables.download(str(out), out / "tables")
    found: Rows = {}
    for name, columns in COLUMNS.items():
        table = pq.read_table(out / "tables" / name / "north.parquet", columns=[*columns])
        found[name] = Counter(tuple(row.values()) for row in table.to_pylist())
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records())
def test_they_are_the_rows_of_an_ingestion(record: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "fhir"
        source.mkdir()
        lines = "".join(f"{json.dumps(one)}\n" for one in record)
        (source / "record.ndjson").write_text(lines, encoding="utf-8")
        rows = in_memory(source)
        assert rows == published(source, folder / "curated")
        assert rows is not None
        assert rows["patient"].total() == 1
