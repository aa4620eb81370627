"""The hook, from the request of an EHR to the card: real databases and OpenBao; planning is what a test sets."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from bench.leaks.scanner import Scanner
from model.identity_store.lookup_tables import ENCRYPTED, IDENTITY, STAY
from services.care.assembly import VAULT_PATIENCE_SECONDS
from services.care.fresh.patient_record import BUDGET_SECONDS
from services.care.planning_client import CONNECT_SECONDS, READ_SECONDS
from services.care.tables import CARD
from tests.support.care.care_world import ADDRESS, FALLBACK, HOOK, RELEASE, SCORED, CareWorld, hook, prefetch
from tests.support.care.discharges import Stay
from tests.unit.services.care.cds_hooks.conftest import body, now
from workloads.serving import routes

pytestmark = pytest.mark.process
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


@pytest.mark.filterwarnings("error::pydantic.warnings.UnsupportedFieldAttributeWarning")
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


def test_the_openapi_document_has_the_requests_and_the_problems(world: CareWorld) -> None:
    document = world.client.get("/openapi.json").json()
    operation = document["paths"]["/cds-services/readmission-risk"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/HookRequest"
    }
    fields = document["components"]["schemas"]["HookRequest"]["properties"]
    assert set(fields) == {"hook", "hookInstance", "context", "fhirServer", "fhirAuthorization", "prefetch"}
    assert {"400", "401", "412", "413", "422", "503"} <= set(operation["responses"])
    assert HOOK.endswith("/cds-services/readmission-risk")
