"""Today's stays on the worklist: real databases and OpenBao; planning is what a test sets."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import text

from model.deid.subject import Subject, secret_input
from model.identity_store.identity_values import patient_values, stay_values
from model.identity_store.lookup import INGEST, encrypted, write
from services.care import todays_stays
from services.care.planning_client import PlanningUnavailableError
from services.database.schemas import Schema
from tests.support.care_world import CareWorld, care_world, fixed
from tests.support.model_world import RING
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.process
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ENDS = {
    "open": None,
    "today": NOW - timedelta(hours=2),
    "yesterday": NOW - timedelta(hours=20),
    "old": NOW - timedelta(days=3),
}


@pytest.fixture(scope="module")
def world(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CareWorld]:
    with care_world(postgres, tmp_path_factory.mktemp("care"), hospital=f"h{secrets.token_hex(4)}") as made:
        with made.care.transaction() as connection:
            patients = [patient_values({"resourceType": "Patient", "id": name}, _subject(name)) for name in ENDS]
            stays = [stay_values(_encounter(name), name, _subject(name), UTC) for name in ENDS]
            write(connection, encrypted(patients, stays, made.care.cipher), source=INGEST, run="d1")
        yield made.at(fixed(NOW))


def _subject(name: str) -> Subject:
    return Subject(RING.secrets([secret_input("north", name)])[0])


def _encounter(name: str) -> dict[str, Any]:
    end = ENDS[name]
    period = {"start": "2026-04-28T10:00:00Z"} | ({"end": end.isoformat()} if end else {})
    location = [{"location": {"display": "Internal Medicine"}}]
    return {"resourceType": "Encounter", "id": name, "status": "in-progress", "period": period, "location": location}


def ingested(world: CareWorld, digest: str) -> None:
    """Note that an ingestion was published, as the writer of the lookup does."""
    with world.databases[Schema.CARE].engine("identity-writer").begin() as connection:
        connection.execute(text("UPDATE care.identity_run SET input_digest = :d"), {"d": digest})
        connection.execute(
            text("INSERT INTO care.identity_run (hospital, input_digest) VALUES (:h, :d) ON CONFLICT DO NOTHING"),
            {"h": world.care.settings.hospital, "d": digest},
        )


def placed(world: CareWorld) -> dict[str, tuple[str, datetime]]:
    with world.databases[Schema.CARE].administrator() as connection:
        rows = connection.execute(text("SELECT encounter, unit, discharged_at FROM care.worklist_entries")).all()
    return {row.encounter: (row.unit, row.discharged_at) for row in rows}


def name_of(name: str) -> str:
    return _subject(name).pseudonym("Encounter", name)


def test_today_s_stays_are_placed_once_an_ingestion_and_a_day(world: CareWorld) -> None:
    assert todays_stays.score(world.care) == 0  # nothing was ingested yet
    ingested(world, "d1")
    world.planning.status = 503
    with pytest.raises(PlanningUnavailableError):
        todays_stays.score(world.care)
    assert placed(world) == {}
    world.planning.status = 200
    assert todays_stays.score(world.care) == 3
    assert placed(world) == {
        name_of("open"): ("internal-medicine", NOW),
        name_of("today"): ("internal-medicine", ENDS["today"]),
        name_of("yesterday"): ("internal-medicine", ENDS["yesterday"]),
    }
    asked = world.planning.bodies("/v1/scores")[-1]
    assert asked["workflow"] == "discharge-worklist"
    assert {one["features"] for one in asked["encounters"]} == {None}
    assert todays_stays.score(world.care) == 0
    # The next day: what ended the day before yesterday is no longer today's.
    assert todays_stays.score(world.at(fixed(NOW + timedelta(days=1))).care) == 2
    ingested(world, "d2")
    assert todays_stays.score(world.care) == 3


def test_one_process_does_it(world: CareWorld) -> None:
    ingested(world, "d3")
    with world.care.transaction() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(todays_stays.LOCK))))
        assert todays_stays.score(world.care) == 0
    assert todays_stays.score(world.care) == 3
