"""A discharge from the EHR to a decision that is on record, as the people of a hospital meet it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kubernetes import client
from playwright.sync_api import Browser, Page, expect

from local.hospitals.patient_record import Stay
from local.keycloak import staff
from local.keycloak.staff import Person
from local.paths import Home, worklist_url
from local.stack.stack import Stack
from tests.integration.care.clinic import RISK, Clinic, Json, logs, without_pods
from tests.support.gateway.gateway_browser import gateway_browser, signed_in
from tests.support.stack.service_accounts import CLINIC

pytestmark = pytest.mark.skipif(not CLINIC, reason="the stack has no gateway, so it has no clinical path")
HOSPITAL, OTHER, UNIT = "north", "south", "medicine"
PREDICTOR = "readmission-risk-v1-predictor"
REASON = "frailty"
SECRETS = re.compile(r"\bv\d+-[0-9a-f]{13,}|Bearer [A-Za-z0-9]|\beyJ[A-Za-z0-9]")
"""Pseudonyms, and tokens."""


@dataclass(frozen=True)
class Discharge:
    """A hook of the EHR: the stay, its card, and the audit record of the answer."""

    stay: Stay
    card: Json
    record: Json
    sequence: int
    """The newest audit record before the hook."""

    @property
    def encounter(self) -> str:
        """Pseudonym of the encounter."""
        return str(self.record["encounter"])

    @property
    def risk(self) -> tuple[str, str]:
        """The risk in per cent and the decision that the card shows."""
        shown = RISK.fullmatch(self.card["summary"])
        assert shown
        return shown[1], shown[2]


@pytest.fixture(scope="module")
def north(home: Home) -> Clinic:
    return Clinic(home, HOSPITAL)


@pytest.fixture(scope="module")
def people(home: Home) -> dict[tuple[str, str], Person]:
    return staff.read(home)


@pytest.fixture(scope="module")
def browser(home: Home) -> Iterator[Browser]:
    with gateway_browser(home, HOSPITAL, OTHER) as started:
        yield started


@pytest.fixture(scope="module")
def discharge(north: Clinic) -> Discharge:
    stay, before = north.stay(UNIT), north.last_record()
    return Discharge(stay, *north.card(stay), before)


@pytest.fixture(scope="module")
def robin(browser: Browser, people: dict[tuple[str, str], Person]) -> Iterator[Page]:
    """Give a window in which the coordinator of the patient's unit has signed in."""
    with signed_in(browser, people[HOSPITAL, "robin"]) as page:
        yield page


def name_of(record: Json) -> str:
    """Return a patient's name as the worklist shows it."""
    [name] = record["patient"]["name"][:1]
    return f"{name['family']}, {' '.join(name['given'])}"


def record_number(record: Json) -> str:
    return str(record["patient"]["identifier"][0]["value"])


def search(page: Page, text: str, hospital: str = HOSPITAL) -> None:
    page.goto(f"{worklist_url(hospital)}/worklist")
    page.get_by_label("Name, record number or coordinator").fill(text)
    page.get_by_role("button", name="Search").click()


def entry_of(clinic: Clinic, encounter: str) -> Json:
    [entry] = clinic.rows("care", "SELECT * FROM care.worklist_entries WHERE encounter = %s", encounter)
    return entry


def take_back(page: Page, entry: Json) -> None:
    """Undo what an earlier run of the tests did with an entry."""
    page.goto(f"{worklist_url(HOSPITAL)}/worklist/entries/{entry['id']}")
    for button in ("Reopen", "Give back"):
        if page.get_by_role("button", name=button).is_visible():
            page.get_by_role("button", name=button).click()
            expect(page.get_by_role("status")).to_be_visible()


def test_the_card_has_risk_reasons_and_approvals_and_no_identifier(north: Clinic, discharge: Discharge) -> None:
    card, record = discharge.card, north.prefetch(discharge.stay)
    assert RISK.fullmatch(card["summary"])
    reasons = [line for line in card["detail"].splitlines() if line.startswith("- ")]
    assert len(reasons) >= 3
    assert "Data: the record of this moment" in card["detail"]
    assert "approved by" in card["detail"]
    assert [link["type"] for link in card["links"]] == ["smart"]
    assert card["overrideReasons"]
    text = json.dumps(card)
    for identifier in (discharge.stay.patient, discharge.stay.encounter, record_number(record), name_of(record)):
        assert identifier not in text


def test_the_answer_is_on_record_with_score_release_and_caller(north: Clinic, discharge: Discharge) -> None:
    record = discharge.record
    assert (record["service"], record["route"]) == ("care", "POST /cds-services/readmission-risk")
    assert (record["caller"], record["caller_role"], record["outcome"]) == (f"{HOSPITAL}-ehr", "ehr", "answered")
    [entry] = [one for one in Stack(north.home).working() if one["name"] == HOSPITAL]
    assert f"{record['release']['version']}@{record['release']['digest'][:12]}" == entry["release"]
    [scored] = [
        score
        for one in north.records_after(discharge.sequence)
        if one["service"] == "planning"
        for score in one.get("scores", ())
        if score["encounter"] == discharge.encounter
    ]
    risk, decision = discharge.risk
    assert (f"{scored['risk']:.0%}", scored["decision"]) == (f"{risk}%", decision)


def test_a_coordinator_claims_overrides_and_closes_and_each_step_is_on_record(
    north: Clinic, discharge: Discharge, robin: Page, people: dict[tuple[str, str], Person]
) -> None:
    record, entry = north.prefetch(discharge.stay), entry_of(north, discharge.encounter)
    take_back(robin, entry)
    search(robin, record_number(record))
    expect(robin.get_by_role("heading", level=3)).to_have_text(name_of(record))
    risk, _ = discharge.risk
    expect(robin.locator(".card .risk")).to_contain_text(f"{risk} %")
    robin.get_by_role("link", name=name_of(record)).click()
    before = north.last_record()
    robin.get_by_role("button", name="Claim").click()
    expect(robin.get_by_role("status")).to_have_text("You have claimed this patient.")
    for summary, field, choice, button in (
        ("Record a contact attempt", "code-contact", "reached", "Record contact"),
        ("Record an intervention", "code-intervention", "medication-review", "Record intervention"),
        ("Override the score", "code-override", REASON, "Record override"),
        ("Close with an outcome", "code-close", "completed", "Close follow-up"),
    ):
        robin.locator("summary", has_text=summary).click()
        robin.locator(f"#{field}").select_option(choice)
        robin.get_by_role("button", name=button).click()
        expect(robin.get_by_role("status")).to_be_visible()
    expect(robin.locator("dl.state")).to_contain_text("Follow-up completed")
    acts = {
        one["action"]: one
        for one in north.records_after(before)
        if one["service"] == "care" and one.get("encounter") == discharge.encounter and one["status"] == 303
    }
    assert {"claim", "contact", "intervention", "override", "close"} <= acts.keys()
    for one in acts.values():
        assert one["caller"] == people[HOSPITAL, "robin"].id
        assert (one["caller_role"], one["purpose"], one["outcome"]) == ("coordinator", "TREAT", "answered")
    assert acts["override"]["detail"] == REASON


def test_who_is_of_another_hospital_or_unit_sees_nothing_of_the_patient(
    north: Clinic, discharge: Discharge, browser: Browser, people: dict[tuple[str, str], Person]
) -> None:
    record = north.prefetch(discharge.stay)
    entry = entry_of(north, discharge.encounter)
    for hospital, username in ((OTHER, "robin"), (HOSPITAL, "casey")):
        with signed_in(browser, people[hospital, username]) as page:
            expect(page.get_by_role("heading", name="Worklist", exact=True)).to_be_visible()
            search(page, record_number(record), hospital)
            expect(page.locator("p.empty")).to_have_text("Nobody matches.")
            answer = page.goto(f"{worklist_url(hospital)}/worklist/entries/{entry['id']}")
            assert answer
            assert answer.status == 404
            if hospital == OTHER:
                page.goto(f"{worklist_url(HOSPITAL)}/worklist")
                assert page.url.startswith(str(Stack(north.home).working()[0]["signIn"]["issuer"]))


def test_without_the_model_the_card_says_so_and_ranks_by_lace(
    north: Clinic, discharge: Discharge, robin: Page, api: client.ApiClient
) -> None:
    with without_pods(api, f"{HOSPITAL}-serving", PREDICTOR):
        card, record = north.card(discharge.stay)
        assert re.match(r"No model score, ranked by LACE \d+ of 19: ", card["summary"])
        assert "This is not a model score" in card["detail"]
        assert record["outcome"] == "fallback"
        # Without a pod, connections are refused or packets get no answer.
        assert record["fallback_reason"] in ("model-unavailable", "model-slow")
        assert "release" not in record
        entry = entry_of(north, discharge.encounter)
        robin.goto(f"{worklist_url(HOSPITAL)}/worklist/entries/{entry['id']}")
        expect(robin.locator(".measure")).to_contain_text("No model score")
    north.scored(discharge.stay)


def test_without_planning_the_hook_answers_that_there_is_no_score(
    north: Clinic, discharge: Discharge, robin: Page, api: client.ApiClient
) -> None:
    with without_pods(api, f"{HOSPITAL}-serving", "planner"):
        card, record = north.card(discharge.stay)
        assert card["summary"] == "Readmission risk not available: the planning service does not answer"
        assert "There is no score and no rank" in card["detail"]
        assert (record["outcome"], record["fallback_reason"]) == ("fallback", "planning-unavailable")
        robin.goto(f"{worklist_url(HOSPITAL)}/worklist")
        expect(robin.get_by_role("heading", name="Worklist", exact=True)).to_be_visible()
    north.scored(discharge.stay)


def test_the_audit_chain_of_all_this_is_intact_up_to_its_head(north: Clinic, tmp_path: Path) -> None:
    report = north.verified(tmp_path)
    assert report.faults == []
    assert report.anchored == report.records > 0


def test_no_log_names_the_patient(north: Clinic, discharge: Discharge, robin: Page, api: client.ApiClient) -> None:
    record = north.prefetch(discharge.stay)
    patient = record["patient"]
    values = {
        discharge.stay.patient,
        discharge.stay.encounter,
        discharge.encounter,
        patient["name"][0]["family"],
        patient["birthDate"],
        *(one["value"] for one in patient["identifier"]),
        *(one["value"] for one in patient.get("telecom", ())),
    }
    read = {
        name: log for zone in ("platform", "phi", "serving") for name, log in logs(api, f"{HOSPITAL}-{zone}").items()
    }
    for workload in ("gateway", "care", "planner", PREDICTOR):
        assert any(name.startswith(workload) and log for name, log in read.items()), workload
    for name, log in read.items():
        assert not {value for value in values if value in log}, name
        assert not SECRETS.search(log), name
