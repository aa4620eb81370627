"""Readmissions on the worklist are the labels of the batch, for any encounter of a stay."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from model.curated.run import ingest
from model.definitions.features import LABEL
from model.features.build import build
from model.synthesis.run import synthesize
from services.care import readmissions
from services.care.fresh.features import FreshFeatures
from services.care.fresh.history import Edition, History
from services.care.worklist_ports import place
from services.database.schemas import Schema
from tests.support.care.care_world import CareWorld, care_world
from tests.support.databases.postgres import PostgresServer
from tests.support.model.model_world import RING

pytestmark = pytest.mark.process
HOSPITAL = "north"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("population")
    synthesize(patients=60, seed=5, out=str(folder / "fhir"))
    ingest(str(folder / "fhir"), hospital=HOSPITAL, out=str(folder / "curated"), ring=RING)
    return folder / "curated"


@pytest.fixture(scope="module")
def batch(curated: Path) -> dict[tuple[str, str], bool]:
    """Return the labels of the batch by discharge."""
    out = curated.parent / "features.parquet"
    build(str(curated), out=str(out))
    rows = pq.read_table(out, columns=["index_id", "patient_id", LABEL]).to_pylist()
    return {(row["index_id"], row["patient_id"]): row[LABEL] for row in rows if row[LABEL] is not None}


def edition(curated: Path) -> Edition:
    found = History(str(curated), HOSPITAL).edition()
    assert found is not None
    return found


def test_the_labels_are_those_of_the_batch(curated: Path, batch: dict[tuple[str, str], bool]) -> None:
    assert set(batch.values()) == {True, False}
    found = readmissions.labels(edition(curated), [*batch, ("v1-unknown", "v1-unknown")])
    assert found == {encounter: label for (encounter, _), label in batch.items()}


def test_every_encounter_of_a_stay_has_its_label(curated: Path, batch: dict[tuple[str, str], bool]) -> None:
    tables = edition(curated)
    encounters = pq.read_table(tables.file("encounter")).to_pylist()
    stay = [(row["encounter_id"], row["patient_id"]) for row in encounters]
    found = readmissions.labels(tables, stay)
    assert found.items() >= {encounter: label for (encounter, _), label in batch.items()}.items()
    assert readmissions.labels(tables, []) == {}


def test_discharges_whose_window_is_over_get_their_readmission(
    postgres: PostgresServer, curated: Path, batch: dict[tuple[str, str], bool], tmp_path: Path
) -> None:
    back = next(one for one, label in batch.items() if label)
    stayed_home = next(one for one, label in batch.items() if not label)
    other = next(one for one, label in batch.items() if label and one[1] != back[1])
    with care_world(postgres, tmp_path, hospital=f"h{secrets.token_hex(4)}") as world:
        world = world.at(lambda: NOW, history=History(str(curated), HOSPITAL))
        assert readmissions.record(world.care) == 0
        for discharge, days in ((back, 31), (stayed_home, 40), (other, 29)):
            _placed(world, discharge, NOW - timedelta(days=days))
        assert readmissions.record(world.care) == 2
        with world.databases[Schema.CARE].administrator() as connection:
            rows = connection.execute(text("SELECT encounter, readmitted FROM care.worklist_entries")).all()
        assert dict(map(tuple, rows)) == {back[0]: True, stayed_home[0]: False, other[0]: None}
        assert readmissions.record(world.care) == 0


def test_without_curated_tables_nothing_is_recorded(postgres: PostgresServer, tmp_path: Path) -> None:
    with care_world(postgres, tmp_path, hospital=f"h{secrets.token_hex(4)}") as world:
        assert readmissions.record(world.care) == 0


def _placed(world: CareWorld, discharge: tuple[str, str], ended_at: datetime) -> None:
    features = FreshFeatures(*discharge, None, False)
    with world.care.transaction() as connection:
        place(connection, features, None, unit="Medicine", units=("medicine",), ended_at=ended_at, now=NOW)
