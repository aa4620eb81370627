"""Requests of the hook: which record is read, and what is refused without an answer."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from sqlalchemy import create_engine

from model.curated.run import ingest
from model.deid.keys import VaultKeyring
from services.care.fresh.history import History
from services.care.tables import CARD
from tests.support.care.care_world import CareWorld, hook, prefetch
from tests.support.care.discharges import Stay, write_record
from tests.support.care.ehr import FHIR
from tests.unit.services.care.cds_hooks.conftest import PROBLEM, body, now

pytestmark = pytest.mark.process


def test_without_any_record_the_answer_is_412(world: CareWorld) -> None:
    answer = world.call(hook("nobody", "nothing"))
    assert (answer.status_code, answer.headers["content-type"]) == (412, PROBLEM)
    assert answer.json()["title"] == "No record of the patient"


def known_last_night(world: CareWorld, stay: Stay, folder: Path) -> CareWorld:
    """Return the world with the tables that a night's ingestion made in the middle of the stay."""
    night = stay.start + (stay.end - stay.start) * 0.4
    write_record(folder / "fhir", stay.known_at(night))
    hospital = world.care.settings.hospital
    ring = VaultKeyring(world.bao.vault("care"), f"{hospital}/transit")
    limits = {"Encounter.implausible-date": 1.0, "Encounter.no-date": 1.0}
    ingest(
        str(folder / "fhir"),
        hospital=hospital,
        out=str(folder / "curated"),
        ring=ring,
        max_bad_share=1.0,
        limits=limits,
    )
    return world.at(world.care.clock, history=History(str(folder / "curated"), hospital))


def test_without_a_fresh_record_the_card_says_since_when_there_are_no_data(
    world: CareWorld, stay: Stay, tmp_path: Path
) -> None:
    night = known_last_night(world, stay, tmp_path)
    (card,) = night.call(hook(stay.patient["id"], stay.encounter["id"])).json()["cards"]
    assert "**No data since " in card["detail"]
    assert str(stay.start.year) in card["detail"]
    assert "old data" in card["summary"]
    (asked,) = world.planning.bodies("/v1/scores")[0]["encounters"]
    assert asked["features_as_of_hours"] > 0
    assert night.records()[-1].entry.detail == "no-data"
    # Of a stay that began after the night only that much is known.
    (card,) = night.call(hook(stay.patient["id"], "admitted-today")).json()["cards"]
    assert "**No data since " in card["detail"]


def test_what_the_prefetch_lacks_is_read_from_the_registered_server(world: CareWorld, stay: Stay) -> None:
    asked: list[httpx.Request] = []
    whole = prefetch(stay.patient, stay.encounter["id"], stay.known_at(now(stay)))

    def server(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        kind = request.url.path.removeprefix("/r4/").split("/")[0]
        names = {"Condition": "conditions", "Observation": "observations", "MedicationRequest": "medications"}
        if kind in names:
            return httpx.Response(200, json=whole[names[kind]])
        return httpx.Response(200, json=whole["patient" if kind == "Patient" else "encounter"])

    reading = world.at(world.care.clock, http=httpx.Client(transport=httpx.MockTransport(server)))
    given = {name: whole[name] for name in ("encounters",)}
    authorization = {
        "access_token": "t0ken",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.rs",
        "subject": "x",
    }
    answer = reading.call(
        hook(stay.patient["id"], stay.encounter["id"], given, fhirServer=FHIR, fhirAuthorization=authorization)
    )
    assert "the record of this moment" in answer.json()["cards"][0]["detail"]
    patient, encounter = stay.patient["id"], stay.encounter["id"]
    assert sorted(unquote(str(request.url)).removeprefix(f"{FHIR}/") for request in asked) == [
        f"Condition?patient={patient}",
        f"Encounter/{encounter}",
        f"MedicationRequest?patient={patient}",
        f"Observation?patient={patient}&category=laboratory,vital-signs",
        f"Patient/{patient}",
    ]
    assert {request.headers["authorization"] for request in asked} == {"Bearer t0ken"}
    expected = world.planning.bodies("/v1/scores")[-1]
    world.call(body(stay))
    assert world.planning.bodies("/v1/scores")[-1]["encounters"][0]["features"] == expected["encounters"][0]["features"]


def test_a_server_that_is_not_registered_is_not_asked(world: CareWorld, stay: Stay) -> None:
    answer = world.call(hook(stay.patient["id"], stay.encounter["id"], fhirServer="https://169.254.169.254/latest"))
    assert (answer.status_code, answer.json()["title"]) == (400, "Unknown FHIR server")


def test_an_encounter_of_another_patient_is_refused(world: CareWorld, stay: Stay) -> None:
    sent = body(stay)
    sent["prefetch"]["encounter"] = sent["prefetch"]["encounter"] | {"subject": {"reference": "Patient/other"}}
    sent["prefetch"]["encounters"] = None
    answer = world.call(sent)
    assert (answer.status_code, answer.json()["title"]) == (400, "Encounter of another patient")


@pytest.mark.parametrize(
    "change",
    [
        {"hook": "patient-view"},
        {"hookInstance": "x"},
        {"context": {"patientId": "a", "encounterId": "b"}},
        {"context": {"userId": "u", "patientId": "a/b", "encounterId": "b"}},
        {"context": {"userId": "u", "patientId": "a", "encounterId": "b" * 65}},
        {"prefetch": []},
        {"fhirAuthorization": {"access_token": "x", "token_type": "MAC"}},
    ],
)
def test_a_body_that_is_no_hook_is_refused_without_its_values(
    world: CareWorld, stay: Stay, change: dict[str, Any]
) -> None:
    answer = world.call(hook(stay.patient["id"], stay.encounter["id"]) | change)
    assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)
    assert stay.patient["id"] not in answer.text


@pytest.mark.parametrize("sent", [None, 1, "hook", [], [{"hook": "encounter-discharge"}]])
def test_a_body_that_is_no_object_is_refused_as_any_other_body(world: CareWorld, sent: Any) -> None:
    answer = world.call(sent)
    assert answer.status_code == 422
    code = "missing" if sent is None else "model_attributes_type"
    assert answer.json()["errors"] == [{"where": "body", "code": code}]


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"resourceType": "OperationOutcome"},
        {"resourceType": "Bundle", "entry": 7},
        {"resourceType": "Patient"},
        "text",
        7,
        [1],
    ],
)
def test_a_prefetch_that_failed_is_as_none(world: CareWorld, value: Any) -> None:
    assert (
        world.call(hook("nobody", "nothing", {"patient": value, "encounter": value, "encounters": value})).status_code
        == 412
    )


def test_a_record_with_a_note_of_a_megabyte_is_read(world: CareWorld, stay: Stay) -> None:
    sent = body(stay)
    sent["prefetch"]["encounter"] = sent["prefetch"]["encounter"] | {
        "text": {"status": "generated", "div": "x" * 1_048_576}
    }
    assert world.call(sent).status_code == 200


@pytest.mark.parametrize(
    ("claims", "detail"),
    [({"aud": "https://other.example"}, "another audience"), ({"iat": 1, "exp": 2}, "has expired")],
)
def test_a_refused_token_is_a_problem_and_on_record(
    world: CareWorld, stay: Stay, claims: dict[str, Any], detail: str
) -> None:
    before = len(world.records())
    answer = world.call(body(stay), token=world.token("/cds-services/readmission-risk", **claims))
    assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM)
    assert detail in answer.json()["detail"]
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    (record,) = world.records()[before:]
    assert (record.entry.outcome, record.entry.caller, record.entry.encounter) == ("refused", "unidentified", None)
    assert world.planning.requests == []


def test_a_token_is_asked_before_the_body_is_read(world: CareWorld) -> None:
    assert world.client.post("/cds-services/readmission-risk", json={"hook": "wrong"}).status_code == 401
    assert world.client.post("/cds-services/readmission-risk/feedback", json={}).status_code == 401


def test_when_vault_is_sealed_nothing_is_answered(world: CareWorld, stay: Stay) -> None:
    cards = len(world.rows(CARD))
    world.bao.root.sys.seal()
    try:
        answer = world.call(body(stay))
    finally:
        world.bao.root.sys.submit_unseal_key(world.bao.unseal_key)
    assert (answer.status_code, answer.json()["title"]) == (503, "Key not available")
    assert len(world.rows(CARD)) == cards
    assert world.call(body(stay)).status_code == 200


AWAY = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"


def test_when_the_audit_cannot_be_written_nothing_is_answered_or_kept(world: CareWorld, stay: Stay) -> None:
    away = replace(world.care.recorder, engine=create_engine(AWAY, connect_args={"connect_timeout": 1}))
    cards = len(world.rows(CARD))
    answer = world.at(world.care.clock, recorder=away).call(body(stay))
    assert (answer.status_code, answer.json()["title"]) == (503, "Audit record not written")
    assert "cards" not in answer.text
    assert len(world.rows(CARD)) == cards


def test_when_the_database_is_away_the_refusal_is_on_record(world: CareWorld, stay: Stay) -> None:
    before = len(world.records())
    away = world.at(world.care.clock, engine=create_engine(AWAY, connect_args={"connect_timeout": 1}))
    assert away.call(body(stay)).status_code == 503
    assert world.records()[before].entry.outcome == "failed"
