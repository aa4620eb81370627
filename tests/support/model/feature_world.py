"""Small histories written out, and what the features make of them."""

import functools
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from model.curated import curated_tables
from model.curated.run import ingest
from model.definitions.features import Definitions, definitions
from model.features.expression import expression, labelled_stays
from model.features.feature_rows import shaped
from model.synthesis.run import synthesize
from tests.support.model.model_world import RING

START = datetime(2022, 1, 1, tzinfo=UTC)
MOMENTS = {
    "encounter": ("started_at", "ended_at"),
    "condition": ("onset_at", "recorded_at", "known_at"),
    "observation": ("taken_at", "known_at"),
    "medication_request": ("authored_at",),
}


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def stay(
    first: float, last: float | None, kind: str = "IMP", disposition: str | None = "home", **more: Any
) -> dict[str, Any]:
    ended = None if last is None else day(last)
    return {"class": kind, "started_at": day(first), "ended_at": ended, "disposition": disposition, **more}


def history(
    encounters: list[dict[str, Any]], *, table: Definitions | None = None, **tables: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the feature rows of one patient's history, in the order of discharge."""
    person: dict[str, Any] = {"patient_id": "p", "sex": "female"}
    lists: dict[str, list[dict[str, Any]]] = {
        "patient": [person],
        "encounter": [
            {"encounter_id": f"e{i}", "status": "finished", "followed": True} | e for i, e in enumerate(encounters)
        ],
        "condition": [],
        "observation": [],
        "medication_request": [],
    } | tables
    return features(arrow(lists), table or definitions())


def arrow(lists: dict[str, list[dict[str, Any]]]) -> dict[str, pa.Table]:
    """Return rows as curated tables."""
    made = {}
    for name, rows in lists.items():
        full = [
            {f"{name}_id": f"{name}{i}", "patient_id": "p", "hospital": "north"} | known(name, row)
            for i, row in enumerate(rows)
        ]
        made[name] = pa.Table.from_pylist(full, schema=curated_tables.schema(name))
    return made


def known(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a condition with when it became known, as ingestion computes it."""
    return {"known_at": row.get("recorded_at") or row.get("onset_at")} | row if name == "condition" else row


@dataclass(frozen=True)
class Planned:
    """The two queries of the features, which any tables of the database's names then answer."""

    connection: Any
    stays: str
    features: str
    expression: ibis.Table


@functools.cache
def planned(table: str) -> Planned:
    read = Definitions.model_validate_json(table)
    database = ibis.duckdb.connect(threads=1)
    for name in curated_tables.TABLES:
        database.con.register(name, curated_tables.schema(name).empty_table())
    tables = {name: database.table(name) for name in curated_tables.TABLES}
    stays_query = database.compile(labelled_stays(tables, read))
    database.con.execute(f"CREATE OR REPLACE TEMP TABLE all_stays AS {stays_query}")
    found = expression(tables, read, database.table("all_stays"))
    database.to_pyarrow(found)
    return Planned(database.con, stays_query, database.compile(found), found)


def features(tables: dict[str, pa.Table], table: Definitions | None = None) -> list[dict[str, Any]]:
    """Return the feature rows of curated tables, by patient and discharge."""
    read = table or definitions()
    plan = planned(read.model_dump_json())
    for name, content in tables.items():
        plan.connection.register(name, content)
    plan.connection.execute(f"CREATE OR REPLACE TEMP TABLE all_stays AS {plan.stays}")
    found = shaped(plan.connection.sql(plan.features).to_arrow_table(), read)
    rows: list[dict[str, Any]] = found.to_pylist()
    return sorted(rows, key=lambda row: (row["patient_id"], row["discharged_at"]))


@functools.cache
def folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="feature-world-")


@functools.cache
def hospital() -> Path:
    """Return where a synthetic hospital's curated tables lie."""
    place = Path(folder().name)
    synthesize(patients=70, seed=11, out=str(place / "fhir"))
    ingest(str(place / "fhir"), hospital="north", out=str(place / "curated"), ring=RING)
    curated_tables.download(str(place / "curated"), place / "tables")
    return place / "curated"


@functools.cache
def hospital_tables() -> dict[str, pa.Table]:
    """Return those tables."""
    return {name: pq.read_table(hospital().parent / "tables" / name) for name in curated_tables.TABLES}
