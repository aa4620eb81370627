"""Today's stays on the worklist: real databases and OpenBao; planning is what a test sets."""

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy import text

from model.curated.run import ingest
from model.deid.subject import Subject, secret_input
from model.identity_store.identity_values import patient_values, stay_values
from model.identity_store.lookup import INGEST, encrypted, write
from model.scoring.latest_discharge import NO_LIMITS
from model.synthesis.run import synthesize
from services.care import todays_stays
from services.care.fresh.history import History
from services.care.fresh.patient_record import NEEDED, PatientRecord
from services.care.planning_client import PlanningClient, PlanningUnavailableError
from services.care.tables import CARD
from services.database.schemas import Schema
from tests.support.care.care_world import FALLBACK, SCORED, CareWorld, Planning, care_world, fixed
from tests.support.care.discharges import stays, write_record
from tests.support.databases.postgres import PostgresServer
from tests.support.model.model_world import RING

pytestmark = pytest.mark.process
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
NOT_SCORED: dict[str, Any] = {
    "status": "not-scored",
    "rank": 1,
    "freshness_hours": None,
    "record": 19,
    "not_scored_reason": "no-features",
    "missing": [],
    "fallback_reason": None,
}
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
    assert all(one.keys() == {"encounter", "patient"} for one in asked["encounters"])
    assert todays_stays.score(world.care) == 0
    # The next day: what ended the day before yesterday is no longer today's.
    assert todays_stays.score(world.at(fixed(NOW + timedelta(days=1))).care) == 2
    ingested(world, "d2")
    assert todays_stays.score(world.care) == 3


def test_planning_gets_the_cohort_of_a_unit_and_never_the_unit(world: CareWorld) -> None:
    ingested(world, "d-cohort")
    settings = world.care.settings.model_copy(update={"canary_units": ("internal-medicine",)})
    assert todays_stays.score(world.at(world.care.clock, settings=settings).care) == 3
    asked = world.planning.bodies("/v1/scores")[-1]
    assert [one["cohort"] for one in asked["encounters"]] == ["canary"] * 3
    assert "medicine" not in json.dumps(asked).casefold()


def test_one_process_does_it(world: CareWorld) -> None:
    ingested(world, "d3")
    with world.care.transaction() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(todays_stays.LOCK))))
        assert todays_stays.score(world.care) == 0
    assert todays_stays.score(world.care) == 3


def newest(world: CareWorld) -> dict[str, tuple[str, int]]:
    """Return the status of each entry's newest score, and the number of its scores."""
    query = "SELECT encounter, array_agg(content ->> 'status' ORDER BY s.id DESC) AS found "
    query += "FROM care.worklist_entries e JOIN care.worklist_scores s ON s.entry = e.id GROUP BY encounter"
    with world.databases[Schema.CARE].administrator() as connection:
        return {row.encounter: (row.found[0], len(row.found)) for row in connection.execute(text(query)).all()}


def test_while_the_model_does_not_answer_stays_are_asked_about_again(world: CareWorld) -> None:
    ingested(world, "d4")
    before, waiting = newest(world), todays_stays.Waiting()
    world.planning.score = dict(FALLBACK)
    assert todays_stays.score(world.care, waiting) == 3
    assert todays_stays.score(world.care, waiting) == 0
    assert {name: status for name, (status, _) in newest(world).items()} == dict.fromkeys(before, "fallback")
    # A hook has brought a newer score of one of them.
    with world.care.transaction() as connection:
        card = {"client": "north-ehr", "hook_instance": secrets.token_hex(8), "encounter": name_of("open")}
        connection.execute(sa.insert(CARD).values(card=uuid4(), patient=name_of("open"), record=1, **card))
    world.planning.score = dict(SCORED)
    assert todays_stays.score(world.care, waiting) == 2
    after = newest(world)
    assert {name: count - before[name][1] for name, (_, count) in after.items()} == {
        name_of("open"): 1,
        name_of("today"): 2,
        name_of("yesterday"): 2,
    }
    assert after[name_of("today")][0] == "scored"
    asked = len(world.planning.requests)
    assert todays_stays.score(world.care, waiting) == 0
    assert len(world.planning.requests) == asked


class Online(Planning):
    """Planning that has no features online: it scores what it is given."""

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        asked = json.loads(request.content)["encounters"]
        answers = [(SCORED if one.get("features") else NOT_SCORED) | {"encounter": one["encounter"]} for one in asked]
        return httpx.Response(200, json={"scores": answers})


def test_a_stay_that_planning_does_not_have_is_computed_and_a_visit_is_not_placed(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    synthesize(patients=40, seed=3, out=str(tmp_path / "fhir"))
    stay = stays(tmp_path / "fhir")[0]
    now = stay.end - timedelta(hours=1)
    visit = {**stay.encounter, "id": "visit", "class": {**stay.encounter["class"], "code": "AMB"}}
    visit |= {"status": "in-progress", "period": {"start": (now - timedelta(hours=2)).isoformat()}}
    goes_on = next(one for one in stay.known_at(now) if one["id"] == stay.encounter["id"])
    with care_world(postgres, tmp_path, hospital=f"h{secrets.token_hex(4)}") as made:
        hospital, ring = made.care.settings.hospital, made.care.features.ring(None)
        source = write_record(tmp_path / "record", [*stay.known_at(now), visit])
        curated = str(tmp_path / "tables")
        ingest(str(source), hospital=hospital, out=curated, ring=ring, max_bad_share=1.0, limits=NO_LIMITS)
        subject = made.care.features.subject(stay.patient["id"], ring)
        values = [stay_values(one, stay.patient["id"], subject, UTC) for one in (goes_on, visit)]
        with made.care.transaction() as connection:
            rows = encrypted([patient_values(stay.patient, subject)], values, made.care.cipher)
            write(connection, rows, source=INGEST, run="d1")
        planning, history = Online(), History(curated, hospital, check_seconds=0)
        world = made.at(fixed(now), history=history, planning=PlanningClient(planning.client))
        ingested(world, "of tables that are not published yet")
        assert todays_stays.score(world.care) == 0
        edition = history.edition()
        assert edition is not None
        ingested(world, edition.manifest.input_digest)
        assert todays_stays.score(world.care) == 1
        assert set(placed(world)) == {subject.pseudonym("Encounter", stay.encounter["id"])}
        *_, asked = planning.bodies("/v1/scores")
        assert asked["workflow"] == "discharge-worklist"
        [sent] = asked["encounters"]
        expected = made.care.features.features(
            PatientRecord(stay.patient["id"], stay.encounter["id"], missing=NEEDED), edition, now
        )
        assert (sent["features"], sent["features_as_of_hours"]) == (expected.features, expected.as_of_hours)
        assert stay.patient["id"] not in json.dumps(asked)
