"""The hook, from the request of an EHR to the card: real databases and OpenBao; planning is what a test sets."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import create_engine

from bench.leaks.scanner import Scanner
from model.curated.run import ingest
from model.deid.keys import VaultKeyring
from model.identity_store.lookup_tables import ENCRYPTED, IDENTITY, STAY
from model.synthesis.run import synthesize
from services.care.assembly import VAULT_PATIENCE_SECONDS
from services.care.fresh.history import History
from services.care.fresh.patient_record import BUDGET_SECONDS
from services.care.planning_client import CONNECT_SECONDS, READ_SECONDS
from services.care.tables import CARD, FEEDBACK, OUTBOX
from tests.support.care.care_world import (
    ADDRESS,
    FALLBACK,
    HOOK,
    RELEASE,
    SCORED,
    CareWorld,
    care_world,
    fixed,
    hook,
    prefetch,
)
from tests.support.care.discharges import Stay, stays, write_record
from tests.support.care.ehr import FHIR, Ehr
from tests.support.databases.postgres import PostgresServer
from workloads.serving import routes

pytestmark = pytest.mark.process
PROBLEM = "application/problem+json"
UNIT = "oncology"
UNAPPROVED = {"band": "high", "risk_from": 0.2, "approved_by": []}
NOT_SCORED = {
    "status": "not-scored",
    "rank": 1,
    "freshness_hours": 0.0,
    "record": 19,
    "not_scored_reason": "features-missing",
    "missing": ["age"],
    "fallback_reason": None,
}


@pytest.fixture(scope="module")
def stay(tmp_path_factory: pytest.TempPathFactory) -> Stay:
    folder = tmp_path_factory.mktemp("fhir")
    synthesize(patients=12, seed=5, out=str(folder))
    return stays(folder)[0]


@pytest.fixture(scope="module")
def running(postgres: PostgresServer, stay: Stay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CareWorld]:
    with care_world(postgres, tmp_path_factory.mktemp("care")) as made:
        yield made.at(fixed(now(stay)))


@pytest.fixture
def world(running: CareWorld) -> CareWorld:
    running.planning.score, running.planning.status, running.planning.fault = dict(SCORED), 200, None
    running.planning.requests.clear()
    return running


def now(stay: Stay) -> Any:
    return stay.start + (stay.end - stay.start) * 0.8


def body(stay: Stay) -> dict[str, Any]:
    """Return a hook with a whole prefetch."""
    identity = stay.encounter["id"]
    return hook(stay.patient["id"], identity, prefetch(stay.patient, identity, stay.known_at(now(stay))))


def test_discovery_describes_the_service(world: CareWorld) -> None:
    (service,) = world.client.get("/cds-services").json()["services"]
    assert (service["id"], service["hook"]) == ("readmission-risk", "encounter-discharge")
    assert set(service["prefetch"]) == {
        "patient",
        "encounter",
        "encounters",
        "conditions",
        "observations",
        "medications",
    }


def test_a_discharge_gets_a_card_with_risk_reasons_freshness_and_approvals(world: CareWorld, stay: Stay) -> None:
    answer = world.call(body(stay))
    assert answer.status_code == 200
    (card,) = answer.json()["cards"]
    assert card["summary"] == "Readmission within 30 days: 27% (high)"
    assert card["indicator"] == "warning"
    assert "Charlson comorbidity index: 4" in card["detail"]
    assert "the record of this moment" in card["detail"]
    assert "approved by clinical: clinical-safety-officer jane.doe" in card["detail"]
    assert "a clinician decides" in card["detail"]
    assert card["links"] == [
        {"label": "Open the discharge worklist", "url": f"{ADDRESS}/launch", "type": "smart", "autoLaunchable": False}
    ]
    assert {one["code"] for one in card["overrideReasons"]} >= {"lower-risk", "wrong-data"}
    (kept,) = [row for row in world.rows(CARD) if row["card"] == UUID(card["uuid"])]
    assert (kept["client"], kept["record"]) == ("north-ehr", 17)


def test_a_discharge_leaves_one_record_that_names_the_encounter_by_pseudonym(world: CareWorld, stay: Stay) -> None:
    before = len(world.records())
    answer = world.call(body(stay))
    (record,) = world.records()[before:]
    assert answer.headers["audit-record"] == str(record.sequence)
    entry = record.entry
    assert (entry.route, entry.workflow, entry.purpose) == (
        "POST /cds-services/readmission-risk",
        "discharge-hook",
        "TREAT",
    )
    assert (entry.caller, entry.caller_role, entry.outcome, entry.status) == ("north-ehr", "ehr", "answered", 200)
    (asked,) = world.planning.bodies("/v1/scores")[0]["encounters"]
    assert (entry.encounter, entry.patient) == (asked["encounter"], asked["patient"])
    assert entry.release is not None
    assert entry.freshness_hours == 0.0
    assert world.planning.requests[0].headers["x-request-id"] == str(entry.request_id)


def test_planning_gets_pseudonyms_and_values_and_no_string_of_the_record(world: CareWorld, stay: Stay) -> None:
    sent = body(stay)
    assert world.call(sent).status_code == 200
    (request,) = world.planning.requests
    (asked,) = json.loads(request.content)["encounters"]
    scanner = Scanner({text: text for text in texts(sent) if len(text) > 3})
    head = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    scanner.scan("request", request.content + head.encode() + str(request.url).encode())
    # Words of the interface itself: the names of features and fields, without a value.
    names = {name: None for name in asked["features"]}
    scanner.scan("interface", json.dumps({"encounters": [asked | {"features": names}]}).encode() + head.encode())
    assert {text for text, places in scanner.found.items() if places == {"request"}} == set()
    assert scanner.found[stay.patient["id"]] == scanner.found[stay.encounter["id"]] == set()
    assert scanner.found[stay.patient["birthDate"]] == scanner.found[stay.patient["name"][0]["family"]] == set()
    assert set(asked) == {"encounter", "patient", "features", "features_as_of_hours"}
    assert asked["features_as_of_hours"] == 0.0
    assert all(value is None or isinstance(value, float | int) for value in asked["features"].values())


def texts(value: Any) -> set[str]:
    """Return every string of a JSON value."""
    if isinstance(value, dict):
        return set().union(*(texts(one) for one in value.values()), set())
    if isinstance(value, list):
        return set().union(*(texts(one) for one in value), set())
    return {value} if isinstance(value, str) else set()


@pytest.mark.parametrize(("units", "cohort"), [((UNIT,), "canary"), (("other unit",), None), ((), None)])
def test_planning_gets_the_cohort_of_the_unit(
    world: CareWorld, stay: Stay, units: tuple[str, ...], cohort: str | None
) -> None:
    settings = world.care.settings.model_copy(update={"canary_units": units})
    changed = world.at(world.care.clock, settings=settings)
    location = {"location": [{"location": {"display": UNIT}}]}
    identity = stay.encounter["id"]
    resources = [one | location if one.get("id") == identity else one for one in stay.known_at(now(stay))]
    sent = hook(stay.patient["id"], identity, prefetch(stay.patient, identity, resources))
    assert changed.call(sent).status_code == 200
    [asked] = changed.planning.bodies("/v1/scores")[-1]["encounters"]
    assert asked.get("cohort") == cohort
    assert UNIT not in json.dumps(asked)


def test_the_identity_lookup_learns_a_patient_whom_the_night_did_not_know(world: CareWorld, stay: Stay) -> None:
    world.call(body(stay))
    (asked,) = world.planning.bodies("/v1/scores")[0]["encounters"]
    (identity,) = [row for row in world.rows(IDENTITY) if row["patient"] == asked["patient"]]
    (kept,) = [row for row in world.rows(STAY) if row["encounter"] == asked["encounter"]]
    values = world.care.cipher.decrypt([identity[name] for name in ENCRYPTED[IDENTITY] if identity[name]])
    assert values[0] == stay.patient["id"]
    assert stay.patient["birthDate"] in values
    assert kept["open"] is True
    assert (kept["source"], kept["patient"]) == ("ehr", asked["patient"])


@pytest.mark.parametrize(
    ("score", "summary", "detail"),
    [
        (FALLBACK, "No model score, ranked by LACE 12 of 19: the model was too slow", "This is not a model score"),
        (NOT_SCORED, "Readmission risk not computed: data that the model needs are missing", "Missing: age"),
        (SCORED | {"decision": "low", "risk": 0.02}, "Readmission within 30 days: 2% (low)", "Main reasons"),
        (SCORED | {"release": RELEASE | {"return_days": 45}}, "Readmission within 45 days: 27% (high)", "Main reasons"),
        (SCORED | {"threshold": UNAPPROVED}, "Readmission within", "approved by nobody"),
    ],
)
def test_each_answer_of_planning_has_its_own_card(
    world: CareWorld, stay: Stay, score: dict[str, Any], summary: str, detail: str
) -> None:
    world.planning.score = score
    (card,) = world.call(body(stay)).json()["cards"]
    assert summary in card["summary"]
    assert detail in card["detail"]
    assert card["indicator"] == ("info" if score.get("decision") == "low" else "warning")


@pytest.mark.parametrize(
    "planning",
    [
        {"status": 503},
        {"status": 422},
        {"fault": httpx.ConnectTimeout("slow")},
        {"score": {"status": "scored"}},
        {"score": SCORED | {"risk": 7}},
    ],
)
def test_without_planning_there_is_a_card_that_says_so(world: CareWorld, stay: Stay, planning: dict[str, Any]) -> None:
    for name, value in planning.items():
        setattr(world.planning, name, value)
    before = len(world.records())
    answer = world.call(body(stay))
    (card,) = answer.json()["cards"]
    assert card["summary"] == "Readmission risk not available: the planning service does not answer"
    (record,) = world.records()[before:]
    assert (record.entry.outcome, record.entry.fallback_reason) == ("fallback", "planning-unavailable")


def test_a_hook_waits_less_than_the_gateway_does() -> None:
    waits = BUDGET_SECONDS + CONNECT_SECONDS + READ_SECONDS + VAULT_PATIENCE_SECONDS
    # The rest is for care's own work.
    assert waits < routes.table().routes["discharge-hook"].timeout


def test_an_encounter_that_is_no_stay_is_not_scored(world: CareWorld, stay: Stay) -> None:
    visit = next(one for one in stay.known_at(now(stay)) if one.get("class", {}).get("code") == "AMB")
    (card,) = world.call(
        hook(stay.patient["id"], visit["id"], prefetch(stay.patient, visit["id"], [stay.patient, visit]))
    ).json()["cards"]
    assert card["summary"] == "Readmission risk not computed: the encounter is not an inpatient stay"
    assert world.planning.requests == []


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


def feedback(card: str, outcome: str = "accepted", **more: Any) -> dict[str, Any]:
    return {"card": card, "outcome": outcome, "outcomeTimestamp": "2026-05-01T10:00:00Z", **more}


FEEDBACK_PATH = "/cds-services/readmission-risk/feedback"


def shown(world: CareWorld, stay: Stay) -> str:
    """Return the id of a new card."""
    return str(world.call(body(stay)).json()["cards"][0]["uuid"])


def test_feedback_is_kept_once_and_its_code_goes_to_planning(world: CareWorld, stay: Stay) -> None:
    card = shown(world, stay)
    reason = {"reason": {"code": "lower-risk", "system": "s", "display": "d"}, "userComment": "Ms Quackenbush is fine"}
    sent = {"feedback": [feedback(card, "overridden", overrideReason=reason)]}
    assert world.post(FEEDBACK_PATH, sent).status_code == 200
    assert world.post(FEEDBACK_PATH, sent).status_code == 200
    (kept,) = [row for row in world.rows(FEEDBACK) if row["card"] == UUID(card)]
    assert (kept["outcome"], kept["code"], kept["comment"]) == ("overridden", "lower-risk", "Ms Quackenbush is fine")
    world.courier.deliver_due()
    (delivered,) = [one for one in world.planning.bodies("/v1/feedback") if one["code"] == "lower-risk"]
    assert set(delivered) == {"workflow", "purpose", "encounter", "record", "code"}
    assert "Quackenbush" not in str(world.planning.requests[-1].content)
    record = world.records()[-1].entry
    assert (record.workflow, record.action, len(record.encounters)) == ("feedback", "overridden", 1)


def test_feedback_waits_while_planning_is_away(world: CareWorld, stay: Stay) -> None:
    card = shown(world, stay)
    world.courier.deliver_due()
    world.planning.status = 503
    assert world.post(FEEDBACK_PATH, {"feedback": [feedback(card)]}).status_code == 200
    assert world.courier.deliver_due() == 0
    world.planning.status = 200
    later = world.at(fixed(world.care.clock() + timedelta(hours=1)))
    assert later.courier.deliver_due() == 1
    assert later.courier.deliver_due() == 0


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"card": str(uuid4())}, 404),
        ({"card": "x"}, 422),
        ({"outcome": "ignored"}, 422),
        ({"outcomeTimestamp": "2026-05-01T10:00:00"}, 422),
        ({"outcome": "overridden", "overrideReason": {"reason": {"code": "because"}}}, 400),
        ({"outcome": "overridden", "overrideReason": {"reason": {"code": "accepted"}}}, 400),
        ({"outcome": "overridden", "overrideReason": {"userComment": "x" * 1_048_576}}, 422),
    ],
)
def test_feedback_that_is_wrong_is_refused_as_a_whole(
    world: CareWorld, stay: Stay, change: dict[str, Any], status: int
) -> None:
    card = shown(world, stay)
    kept, waiting = len(world.rows(FEEDBACK)), len(world.rows(OUTBOX))
    answer = world.post(FEEDBACK_PATH, {"feedback": [feedback(card), feedback(card) | change]})
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert (len(world.rows(FEEDBACK)), len(world.rows(OUTBOX))) == (kept, waiting)


def test_a_card_of_another_ehr_is_unknown(world: CareWorld, stay: Stay) -> None:
    card = shown(world, stay)
    other = Ehr(iss="https://second.example")
    clients = (*world.care.settings.clients, other.client.model_copy(update={"name": "second-ehr"}))
    settings = world.care.settings.model_copy()
    object.__setattr__(settings, "clients", clients)
    both = replace(world.at(world.care.clock, settings=settings), ehr=other)
    assert both.post(FEEDBACK_PATH, {"feedback": [feedback(card)]}).status_code == 404


def test_the_openapi_document_has_the_requests_and_the_problems(world: CareWorld) -> None:
    document = world.client.get("/openapi.json").json()
    operation = document["paths"]["/cds-services/readmission-risk"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/HookRequest"
    }
    assert {"400", "401", "412", "413", "422", "503"} <= set(operation["responses"])
    assert HOOK.endswith("/cds-services/readmission-risk")
