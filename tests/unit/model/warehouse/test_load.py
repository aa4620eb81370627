"""Loads of the warehouse, and what training reads back: real PostgreSQL."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from model.curated import curated_tables
from model.definitions.features import digest
from model.errors import UserError
from model.features.build import build
from model.features.edition import Edition
from model.features.feature_file import METADATA
from model.io.database import connect
from model.training.sources import from_features
from model.warehouse.load import Warehouse
from model.warehouse.read import features_file, load
from model.warehouse.tables import FEATURES, LOAD, SCHEMA, schemas
from services.database.schemas import Schema
from tests.support.databases.postgres import Database, PostgresServer
from tests.support.model.feature_world import hospital, hospital_tables

pytestmark = pytest.mark.process
NORTH = "north"


@pytest.fixture
def database(postgres: PostgresServer) -> Database:
    return postgres.database(Schema.WAREHOUSE)


def connecting(database: Database, role: str) -> Callable[[], sa.Connection]:
    return partial(connect, database.login_file(role), database.name, database.server.address)


def warehouse(database: Database, name: str = NORTH) -> Warehouse:
    return Warehouse(name, connecting(database, "warehouse-writer"))


def rows(database: Database, table: str) -> list[dict[str, Any]]:
    with database.administrator() as connection:
        found = connection.execute(sa.text(f"SELECT * FROM warehouse.{table}")).mappings().all()
    return [dict(row) for row in found]


def test_times_are_the_same_whatever_the_server_s_time_zone(database: Database, tmp_path: Path) -> None:
    with database.administrator() as connection:
        connection.execute(sa.text(f"ALTER DATABASE \"{database.name}\" SET timezone TO 'America/New_York'"))
    out = tmp_path / "features.parquet"
    build(str(hospital()), out=str(out), publish=warehouse(database).publish)
    assert features_file(connecting(database, "trainer"), NORTH) == out.read_bytes()


def test_files_and_tables_have_the_same_rows_and_training_the_same_dataset(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "features.parquet"
    build(str(hospital()), out=str(out), publish=warehouse(database).publish)
    content = pq.read_table(out)
    for name, table in {**hospital_tables(), FEATURES: content}.items():
        names = schemas()[name].names
        expected = sorted(repr(tuple(row.values())) for row in table.select(names).to_pylist())
        found = sorted(repr(tuple(row[column] for column in names)) for row in in_utc(database, name))
        assert found == expected != []
    manifest = curated_tables.read_manifest(f"{hospital()}/hospital=north")
    assert manifest is not None
    for row in rows(database, "load"):
        assert row["ingest_run"] == manifest.input_digest[:12]
        assert row["schema_version"] == curated_tables.SCHEMA_VERSION
        assert row["rows"] == len(rows(database, row["table_name"]))
    assert {row["table_name"] for row in rows(database, "load")} == {*curated_tables.TABLES, FEATURES}

    assert features_file(connecting(database, "trainer"), NORTH) == out.read_bytes()
    for name, value in database.server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WAREHOUSE_DATABASE_FILE", str(database.login_file("trainer")))
    place = f"warehouse:{database.hospital}"
    from_rows, from_file = (from_features(one, without=[], attributes=None) for one in (place, str(out)))
    assert from_rows.data_digest == from_file.data_digest
    assert from_rows.made_from == from_file.made_from
    assert from_rows.data.values.tobytes() == from_file.data.values.tobytes()
    assert np.array_equal(from_rows.data.patient, from_file.data.patient)


def test_a_second_run_replaces_what_the_first_loaded(database: Database, tmp_path: Path) -> None:
    out = str(tmp_path / "features.parquet")
    for _ in range(2):
        build(str(hospital()), out=out, publish=warehouse(database).publish)
    assert len(rows(database, "patient")) == hospital_tables()["patient"].num_rows


def test_two_runs_at_once_end_as_one(database: Database, tmp_path: Path) -> None:
    made = edition(tmp_path, texts(["a", "b"]))
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(warehouse(database).publish, made) for _ in range(3)]:
            done.result()
    assert len(rows(database, "patient")) == 2
    assert features_file(connecting(database, "trainer"), NORTH) == made.features


# What a table can hold: text with the signs of CSV, numbers with every bit, times with microseconds.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
TEXT |= st.sampled_from(["", '"', ",", "\n", "\r\n", "\\.", "NULL", "t", " "])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.none() | TEXT,
    "bool": st.none() | st.booleans(),
    "double": st.none() | st.floats(allow_nan=False) | st.just(float("nan")),
    "int32": st.none() | st.integers(-(2**31), 2**31 - 1),
    "int64": st.none() | st.integers(-(2**31), 2**31 - 1),
    "timestamp[us, tz=UTC]": st.none()
    | st.datetimes(datetime(1700, 1, 1), datetime(2300, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC)),
}


@st.composite
def contents(draw: st.DrawFn) -> dict[str, pa.Table]:
    """Draw a few rows of each table, with keys that differ."""
    made = {}
    for name, schema in schemas().items():
        key = "index_id" if name == FEATURES else f"{name}_id"
        keys = draw(st.lists(TEXT, max_size=3, unique=True))
        values = {
            field.name: st.lists(VALUES[str(field.type)], min_size=len(keys), max_size=len(keys)) for field in schema
        }
        drawn = draw(st.fixed_dictionaries(values)) | {key: keys}
        made[name] = pa.table({field.name: pa.array(drawn[field.name], field.type) for field in schema}, schema)
    return made


def texts(keys: list[str]) -> dict[str, pa.Table]:
    """Return tables whose rows have a key and nothing else."""
    made = {}
    for name, schema in schemas().items():
        key = "index_id" if name == FEATURES else f"{name}_id"
        made[name] = pa.Table.from_pylist([{key: one} for one in keys], schema=schema)
    return made


def edition(folder: Path, tables: dict[str, pa.Table], name: str = NORTH) -> Edition:
    """Write tables as a run has them."""
    for table, content in tables.items():
        if table != FEATURES:
            (folder / table).mkdir(exist_ok=True)
            (folder / table / f"{name}.parquet").write_bytes(curated_tables.to_parquet(content))
    made_from = json.dumps({"definition_digest": digest(), "curated": {name: "x"}}, sort_keys=True)
    features = tables[FEATURES].sort_by(
        [("hospital", "ascending"), ("patient_id", "ascending"), ("index_id", "ascending")]
    )
    manifest = curated_tables.Manifest(
        hospital=name,
        schema_version=curated_tables.SCHEMA_VERSION,
        classification=curated_tables.CLASSIFICATION,
        input_digest="d" * 64,
        rules_digest="",
        key_version="",
        tables={table: {"sha256": "s"} for table in curated_tables.TABLES},
        counts={},
        return_days=30,
    )
    content = features.replace_schema_metadata({METADATA: made_from.encode()}).combine_chunks()
    return Edition(str(folder / "features.parquet"), curated_tables.to_parquet(content), (manifest,), folder)


@pytest.fixture(scope="module")
def shared(postgres: PostgresServer) -> tuple[Database, Warehouse, Callable[[], sa.Connection]]:
    made = postgres.database(Schema.WAREHOUSE)
    return made, warehouse(made), connecting(made, "trainer")


@settings(max_examples=40)
@given(tables=contents())
def test_every_value_comes_back_as_it_was(
    shared: tuple[Database, Warehouse, Callable[[], sa.Connection]],
    tmp_path_factory: pytest.TempPathFactory,
    tables: dict[str, pa.Table],
) -> None:
    database, target, reader = shared
    made = edition(tmp_path_factory.mktemp("run"), tables)
    target.publish(made)
    assert features_file(reader, NORTH) == made.features
    for name in curated_tables.TABLES:
        expected = {repr(tuple(row.values())) for row in tables[name].to_pylist()}
        names = tables[name].column_names
        assert {repr(tuple(row[column] for column in names)) for row in in_utc(database, name)} == expected


def in_utc(database: Database, table: str) -> list[dict[str, Any]]:
    """Return rows, with times in the zone in which the files have them."""
    found = rows(database, table)
    zone = pa.timestamp("us", tz="UTC")
    for row in found:
        row |= {name: pa.scalar(value, zone).as_py() for name, value in row.items() if isinstance(value, datetime)}
    return found


def test_a_file_that_cannot_be_written_leaves_the_tables_as_they_were(database: Database, tmp_path: Path) -> None:
    warehouse(database).publish(edition(tmp_path, texts(["before"])))
    (tmp_path / "file").write_text("", encoding="utf-8")
    after = replace(edition(tmp_path, texts(["after"])), out=str(tmp_path / "file" / "features.parquet"))
    with pytest.raises(UserError):
        warehouse(database).publish(after)
    assert [row["patient_id"] for row in rows(database, "patient")] == ["before"]


def test_a_row_that_the_database_refuses_changes_neither_tables_nor_file(database: Database, tmp_path: Path) -> None:
    first = edition(tmp_path, texts(["before"]))
    warehouse(database).publish(first)
    broken = texts(["after"])
    broken["observation"] = texts(["value\0hunter2"])["observation"]
    with pytest.raises(UserError, match=r"^The warehouse of north was not changed \(SQLSTATE 22021\)") as raised:
        warehouse(database).publish(edition(tmp_path, broken))
    assert "hunter2" not in str(raised.value)
    assert Path(first.out).read_bytes() == first.features
    assert [row["patient_id"] for row in rows(database, "patient")] == ["before"]


def test_a_commit_that_fails_says_that_the_file_is_new_and_the_next_run_repairs_it(
    database: Database, tmp_path: Path
) -> None:
    with database.administrator() as connection:
        connection.execute(
            sa.text(
                "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '53100'; END $$"
            )
        )
        connection.execute(
            sa.text(
                "CREATE CONSTRAINT TRIGGER full_disk AFTER INSERT ON warehouse.load DEFERRABLE INITIALLY DEFERRED "
                "FOR EACH ROW EXECUTE FUNCTION public.refuse()"
            )
        )
    made = edition(tmp_path, texts(["a"]))
    with pytest.raises(UserError, match=r"features\.parquet is new, but the warehouse of north was not .*53100"):
        warehouse(database).publish(made)
    assert rows(database, "patient") == rows(database, "load") == []
    with database.administrator() as connection:
        connection.execute(sa.text("DROP TRIGGER full_disk ON warehouse.load"))
    warehouse(database).publish(made)
    assert features_file(connecting(database, "trainer"), NORTH) == made.features


def test_tables_of_another_hospital_are_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="are of south, the warehouse is of north"):
        warehouse(database).publish(edition(tmp_path, texts(["a"]), "south"))
    assert rows(database, "load") == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "has no features"),
        (
            f'UPDATE {SCHEMA}.{LOAD.name} SET made_from = \'{{"definition_digest": "other"}}\'',
            "other feature definitions",
        ),
        (f"UPDATE {SCHEMA}.{FEATURES} SET age = 1", "other features than the file"),
        (f"DELETE FROM {SCHEMA}.{FEATURES}", "other features than the file"),
        (f"ALTER TABLE {SCHEMA}.{FEATURES} DROP COLUMN age", "cannot be read"),
    ],
)
def test_rows_that_are_not_those_of_the_file_are_not_read(
    database: Database, tmp_path: Path, change: str | None, message: str
) -> None:
    if change:
        warehouse(database).publish(edition(tmp_path, texts(["a"])))
        with database.administrator() as connection:
            connection.execute(sa.text(change))
    with pytest.raises(UserError, match=message):
        features_file(connecting(database, "trainer"), NORTH)


def test_a_warehouse_needs_a_hospital() -> None:
    with pytest.raises(UserError, match="names no hospital"):
        load("warehouse:")
