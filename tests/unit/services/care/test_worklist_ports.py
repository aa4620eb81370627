"""From the EHR to the coordinator's screen: a discharge of the hook is on the worklist, with a name and on record."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from model.curated.run import ingest
from model.deid.keys import VaultKeyring
from services.care.app import create
from services.care.fresh.features import FreshFeatures
from services.care.fresh.history import History
from services.care.planning_client import PlanningClient
from services.care.worklist.ports import Override, ScoresUnavailableError
from services.care.worklist.tokens import Keys
from services.care.worklist_ports import PlanningScores, worklist_score
from services.database import signing_keys
from services.database.schemas import Schema, role_name
from services.planning.schema import Scored
from tests.support.care.care_world import ADDRESS, RELEASE, SCORED, CareWorld, Planning, care_world, hook, prefetch
from tests.support.care.discharges import write_record
from tests.support.databases.postgres import PostgresServer
from tests.support.identity.sign_in import COORDINATOR, OTHER_UNIT, Issuer, User

pytestmark = pytest.mark.process
ENCOUNTER = "v1-" + "a1" * 20
NOW = datetime(2026, 5, 1, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer(f"h{secrets.token_hex(4)}")


@pytest.fixture(scope="module")
def world(postgres: PostgresServer, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CareWorld]:
    folder = tmp_path_factory.mktemp("care")
    with care_world(
        postgres, folder, hospital=issuer.hospital, SIGN_IN_ISSUER=issuer.url, SIGN_IN_AUDIENCE=issuer.audience
    ) as made:
        database = made.databases[Schema.CARE]
        with database.administrator() as connection:
            connection.execute(text(f'SET ROLE "{role_name(database.hospital, "owner")}"'))
            provider = signing_keys.Provider(issuer.url, issuer.audience, issuer.hospital)
            signing_keys.publish(connection, provider, issuer.jwks)
        yield made.at(made.care.clock, sign_in_keys=Keys(lambda: issuer.jwks))


def record(unit: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a patient in a unit, and the stay that goes on there."""
    now = datetime.now(UTC)
    patient: dict[str, Any] = {
        "resourceType": "Patient",
        "id": f"patient-{unit}",
        "gender": "female",
        "birthDate": "1951-07-04",
        "name": [{"family": "Quackenbush", "given": ["Ann"]}],
        "identifier": [{"value": f"MRN-{unit}"}],
    }
    encounter: dict[str, Any] = {
        "resourceType": "Encounter",
        "id": f"encounter-{unit}",
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": f"Patient/patient-{unit}"},
        "period": {"start": (now - timedelta(days=3)).isoformat(timespec="seconds")},
        "location": [{"location": {"display": unit}}],
    }
    return patient, encounter


def discharge(world: CareWorld, unit: str = "cardiology") -> httpx.Response:
    """Discharge a patient now, from a unit."""
    patient, encounter = record(unit)
    given = prefetch(patient, encounter["id"], [patient, encounter])
    return world.call(hook(patient["id"], encounter["id"], given))


def known_last_night(world: CareWorld, folder: Path, *resources: dict[str, Any]) -> CareWorld:
    """Return the world with the curated tables of an ingestion."""
    hospital = world.care.settings.hospital
    write_record(folder / "fhir", list(resources))
    ring = VaultKeyring(world.bao.vault("care"), f"{hospital}/transit")
    ingest(str(folder / "fhir"), hospital=hospital, out=str(folder / "curated"), ring=ring)
    return world.at(
        world.care.clock, history=History(str(folder / "curated"), hospital), sign_in_keys=world.care.sign_in_keys
    )


def page(world: CareWorld, issuer: Issuer, user: User, path: str = "/worklist") -> httpx.Response:
    headers = {"Authorization": f"Bearer {issuer.token(user)}", "Accept": "text/html"}
    return TestClient(create(world.care), base_url=ADDRESS).get(path, headers=headers)


def test_a_coordinator_of_the_unit_sees_the_discharge_with_its_name(world: CareWorld, issuer: Issuer) -> None:
    assert discharge(world).status_code == 200
    (asked,) = world.planning.bodies("/v1/scores")[-1]["encounters"]
    found = page(world, issuer, COORDINATOR)
    assert found.status_code == 200
    assert "Quackenbush" in found.text
    assert "27" in found.text
    entry = world.records()[-1].entry
    assert entry.caller == COORDINATOR.subject
    assert entry.workflow == "discharge-worklist"
    assert asked["encounter"] in entry.encounters


def test_a_coordinator_of_another_unit_does_not(world: CareWorld, issuer: Issuer) -> None:
    discharge(world)
    found = page(world, issuer, OTHER_UNIT)
    assert found.status_code == 200
    assert "Quackenbush" not in found.text
    assert world.records()[-1].entry.encounters == ()


def test_without_a_second_factor_nobody_sees_a_patient(world: CareWorld, issuer: Issuer) -> None:
    discharge(world)
    token = issuer.token(COORDINATOR, second_factor=False)
    found = TestClient(create(world.care), base_url=ADDRESS).get(
        "/worklist", headers={"Authorization": f"Bearer {token}", "Accept": "text/html"}
    )
    assert found.status_code in (401, 403)
    assert "Quackenbush" not in found.text


def test_a_discharge_that_planning_did_not_score_is_placed_with_the_reason(world: CareWorld, issuer: Issuer) -> None:
    world.planning.status = 503
    try:
        discharge(world, "medicine")
    finally:
        world.planning.status = 200
    found = page(world, issuer, OTHER_UNIT)
    assert "lanning did not answer" in found.text


def test_a_discharge_whose_record_cannot_be_read_is_in_the_unit_that_the_last_ingestion_knew(
    world: CareWorld, issuer: Issuer, tmp_path: Path
) -> None:
    patient, encounter = record("cardiology")
    night = known_last_night(world, tmp_path, patient, encounter)
    discharge(night)  # as ingestion does, it tells the identity lookup
    with world.databases[Schema.CARE].administrator() as connection:
        connection.execute(text("TRUNCATE care.worklist_entries CASCADE"))
    (card,) = night.call(hook(patient["id"], encounter["id"])).json()["cards"]
    assert "old data" in card["summary"]
    found = page(night, issuer, COORDINATOR)
    assert "Quackenbush" in found.text
    assert "Stale: no data for 3 days" in found.text
    assert "Quackenbush" not in page(night, issuer, OTHER_UNIT).text


def test_a_stay_of_which_nobody_knows_the_unit_is_not_placed(world: CareWorld, issuer: Issuer, tmp_path: Path) -> None:
    patient, encounter = record("surgery")
    night = known_last_night(world, tmp_path, patient, encounter)
    assert night.call(hook(patient["id"], encounter["id"])).status_code == 200
    with world.databases[Schema.CARE].administrator() as connection:
        placed = connection.scalars(text("SELECT unit FROM care.worklist_entries")).all()
    assert "surgery" not in placed
    assert "unknown" not in placed


FEATURES = FreshFeatures(
    ENCOUNTER,
    ENCOUNTER,
    {"age": 71.0, "albumin_last": None},
    True,
    as_of_hours=0.0,
    feed_hours={"labs": 2.0, "drugs": None},
)


def test_a_score_has_the_values_behind_it_and_when_each_feed_arrived() -> None:
    answer = SCORED | {"encounter": ENCOUNTER, "release": RELEASE | {"return_days": 45}}
    score = worklist_score(FEATURES, Scored.model_validate(answer), NOW)
    values = {feature.name: feature for feature in score.features}
    assert (values["age"].value, values["age"].imputed, values["albumin_last"].imputed) == (71.0, False, True)
    feeds = {feed.name: feed.arrived_at for feed in score.feeds}
    assert feeds == {"labs": NOW - timedelta(hours=2), "drugs": None}
    assert (score.status, score.risk, score.return_days, score.threshold) == ("scored", 0.27, 45, 0.2)


def test_overrides_go_to_planning_and_those_that_it_refuses_are_not_repeated() -> None:
    planning = Planning()
    scores = PlanningScores(PlanningClient(planning.client))
    override = Override(ENCOUNTER, 17, "lowered", "lower-risk")
    scores.feedback(override)
    assert planning.bodies("/v1/feedback")[0]["code"] == "lower-risk"
    planning.status = 422
    scores.feedback(override)
    planning.status = 503
    with pytest.raises(ScoresUnavailableError):
        scores.feedback(override)


def test_a_history_is_planning_s(tmp_path: Path) -> None:
    past: dict[str, Any] = {
        "record": 17,
        "scored_at": "2026-05-01T10:00:00Z",
        "workflow": "discharge-hook",
        "status": "scored",
        "risk": 0.27,
        "decision": "high",
        "lace": None,
        "reasons": [],
        "model": "m",
        "version": "v1",
        "digest": "c3",
        "threshold": 0.2,
        "freshness_hours": 0.0,
        "fallback_reason": None,
        "not_scored_reason": None,
    }
    answers = [
        httpx.Response(200, json={"encounter": ENCOUNTER, "scores": [past], "feedback": []}),
        httpx.Response(404, json={}),
        httpx.Response(503, json={}),
        httpx.Response(200, json={"scores": 7}),
    ]
    http = httpx.Client(base_url="https://p", transport=httpx.MockTransport(lambda _: answers.pop(0)))
    scores = PlanningScores(PlanningClient(http))
    (found,) = scores.history(ENCOUNTER)
    assert (found.at, found.risk, found.release, found.record) == (NOW, 0.27, "v1", 17)
    assert scores.history(ENCOUNTER) == ()
    for _ in range(2):
        with pytest.raises(ScoresUnavailableError):
            scores.history(ENCOUNTER)
