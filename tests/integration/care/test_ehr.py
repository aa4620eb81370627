"""A hospital whose EHR is a real FHIR server: read at a discharge, written back to, and launching the worklist.

It runs on the environment of ``make up EHR=1``, by ``make test-ehr``.
"""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from kubernetes import client
from playwright.sync_api import Browser, expect

from local import lifecycle
from local.cluster.supervision import Supervisor
from local.ehr import state as ehr_state
from local.ehr.fill import connect
from local.hospitals import discharge, ehr_source
from local.hospitals.patient_record import Stay
from local.keycloak import staff
from local.paths import EHR_URL, KEYCLOAK_URL, Home, worklist_url
from local.stack.stack import Stack
from tests.integration.care.clinic import Clinic, Json
from tests.integration.support import eventually
from tests.support.gateway.gateway_browser import answer_provider, gateway_browser

UNIT = "medicine"
RISK = re.compile(r"Readmission within 30 days: (\d+)% \((\w+)\)")
PART = "ehr"
TIMED_OUT = 504
ANSWER_SECONDS = 180
READ, WITHOUT = "Data: the record of this moment", "No data since"
DELIVERY_SECONDS = 300
"""Care waits longer after each attempt that failed."""


@pytest.fixture(scope="module")
def hospital(home: Home) -> str:
    """Give the hospital whose EHR is the environment's FHIR server."""
    named = [entry["name"] for entry in Stack(home).working() if ehr_source.is_launched(entry)]
    if not named or not ehr_state.population(home):
        pytest.skip("The environment has no EHR: start it with `make up EHR=1`, then run `make test-ehr` again.")
    return str(named[0])


@pytest.fixture(scope="module")
def clinic(home: Home, hospital: str) -> Clinic:
    return Clinic(home, hospital)


@pytest.fixture(scope="module")
def stay(clinic: Clinic) -> Stay:
    return clinic.stay(UNIT)


@pytest.fixture(scope="module")
def server(home: Home, hospital: str) -> Iterator[httpx.Client]:
    """Give a client of the hospital's FHIR server."""
    assert hospital
    with connect(EHR_URL, home.pki / "ca.crt") as connected:
        yield connected


@pytest.fixture(scope="module")
def browser(home: Home, hospital: str) -> Iterator[Browser]:
    with gateway_browser(home, hospital, servers=[EHR_URL]) as started:
        yield started


def discharged(clinic: Clinic, stay: Stay, reads: str, **more: Json) -> tuple[Json, str]:
    """Discharge a patient: the hook names the FHIR server, and has no record unless it is given.

    Returns the card, which says of the record what it should, and the pseudonym of the encounter. On a busy machine the
    gateway or care may not wait for an answer; an EHR calls again.
    """
    answers: list[httpx.Response] = []

    def answered() -> bool:
        answers.append(clinic.hook(stay, discharge.FHIR_SERVER | more))
        assert answers[-1].status_code in (200, TIMED_OUT), answers[-1].text
        return answers[-1].status_code == 200 and reads in answers[-1].json()["cards"][0]["detail"]

    eventually(answered, ANSWER_SECONDS)
    [card] = answers[-1].json()["cards"]
    return dict(card), str(clinic.record(int(answers[-1].headers["audit-record"]))["encounter"])


def search(server: httpx.Client, kind: str, **parameters: str) -> list[Json]:
    found = server.get(f"/{kind}", params={"_count": "500", **parameters}, headers={"Cache-Control": "no-cache"})
    assert found.is_success
    return [entry["resource"] for entry in found.json().get("entry", ())]


def assessments(server: httpx.Client, stay: Stay) -> list[Json]:
    return search(server, "RiskAssessment", patient=stay.patient)


def messages(clinic: Clinic, encounter: str) -> dict[str, bool]:
    """Return the messages with scores of an encounter to the FHIR server, and whether each was delivered."""
    query = "SELECT message, delivered_at FROM care.outbox WHERE kind = 'risk-assessment' AND encounter = %s"
    return {str(row["message"]): row["delivered_at"] is not None for row in clinic.rows("care", query, encounter)}


def all_written_once(clinic: Clinic, stay: Stay, encounter: str, server: httpx.Client) -> list[Json]:
    """Wait until every score was delivered, and return the server's RiskAssessments: one of each, with a Provenance."""
    eventually(lambda: all(messages(clinic, encounter).values()), DELIVERY_SECONDS)
    found = assessments(server, stay)
    marks = sorted(mark["value"] for one in found for mark in one["identifier"])
    assert marks == sorted(messages(clinic, encounter))
    for one in found:
        [provenance] = search(server, "Provenance", target=f"RiskAssessment/{one['id']}")
        assert provenance["activity"]["text"] == one["method"]["text"]
    return found


@contextmanager
def stopped(home: Home) -> Iterator[None]:
    """Stop the FHIR server, and start it again at the end."""
    supervisor = Supervisor(home)
    supervisor.stop(PART)
    try:
        yield
    finally:
        supervisor.start(PART)
        context = ssl.create_default_context(cafile=str(home.pki / "ca.crt"))

        def answers() -> bool:
            try:
                return httpx.get(f"{EHR_URL}/Patient/none", verify=context, timeout=10).status_code == 404
            except httpx.TransportError:
                return False

        eventually(answers, lifecycle.EHR_START_SECONDS)


def test_care_reads_the_record_from_the_server_and_writes_the_score_back_once(
    clinic: Clinic, stay: Stay, server: httpx.Client
) -> None:
    before = {one["id"] for one in assessments(server, stay)}
    card, encounter = discharged(clinic, stay, READ)
    newest = max(all_written_once(clinic, stay, encounter, server), key=lambda one: str(one["occurrenceDateTime"]))
    assert newest["id"] not in before
    assert newest["encounter"]["reference"] == f"Encounter/{stay.encounter}"
    [prediction] = newest["prediction"]
    shown = RISK.fullmatch(card["summary"])
    assert shown
    assert float(shown[1]) == pytest.approx(prediction["probabilityDecimal"] * 100, abs=0.51)
    assert shown[2] == prediction["qualitativeRisk"]["text"]


def test_a_score_of_a_moment_without_the_server_is_written_once_when_it_is_back(
    home: Home, clinic: Clinic, stay: Stay, server: httpx.Client
) -> None:
    before = {one["id"] for one in assessments(server, stay)}
    with stopped(home):
        discharged(clinic, stay, WITHOUT)
        _, encounter = discharged(clinic, stay, READ, prefetch=clinic.prefetch(stay))
        assert not all(messages(clinic, encounter).values())
    found = all_written_once(clinic, stay, encounter, server)
    assert len({one["id"] for one in found} - before) >= 2


def test_the_ehr_launches_the_patient_s_page_behind_both_factors(
    home: Home, clinic: Clinic, stay: Stay, browser: Browser
) -> None:
    person = staff.read(home)[clinic.hospital, "robin"]
    address = ehr_source.launch_address(home, clinic.hospital, stay.patient)
    context = browser.new_context()
    try:
        page = context.new_page()
        visited: list[str] = []
        page.on("request", lambda request: visited.append(request.url))
        before = clinic.last_record()
        page.goto(address)
        assert page.url.startswith(f"{KEYCLOAK_URL}/realms/{clinic.hospital}/"), "nobody was asked to sign in"
        answer_provider(page, person)
        assert page.url.startswith(f"{worklist_url(clinic.hospital)}/worklist/entries/"), page.url
        [name] = clinic.prefetch(stay)["patient"]["name"][:1]
        expect(page.get_by_role("heading", level=1)).to_contain_text(name["family"])
        paths = [urlsplit(url).path for url in visited]
        assert "/smart/authorize" in paths
        launched = [one for one in clinic.records_after(before) if one.get("action") == "launch"]
        assert [one["caller"] for one in launched][-1] == person.id
        assert {one["outcome"] for one in launched} == {"answered"}
        # The launch was used.
        page.goto(address)
        assert "/worklist/entries/" not in page.url
    finally:
        context.close()


def test_a_launch_of_who_has_no_second_factor_shows_nothing(
    home: Home, clinic: Clinic, stay: Stay, browser: Browser
) -> None:
    person = staff.read(home)[clinic.hospital, "jamie"]
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(ehr_source.launch_address(home, clinic.hospital, stay.patient))
        page.fill("#username", person.username)
        page.fill("#password", person.password)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.url.startswith(KEYCLOAK_URL)
        page.goto(f"{worklist_url(clinic.hospital)}/worklist")
        assert page.url.startswith(KEYCLOAK_URL)
    finally:
        context.close()


def test_care_reaches_the_server_and_no_log_of_it_names_the_patient(
    clinic: Clinic, stay: Stay, api: client.ApiClient
) -> None:
    core: Any = client.CoreV1Api(api)
    namespace = f"{clinic.hospital}-phi"
    pods = core.list_namespaced_pod(namespace, label_selector="app.kubernetes.io/name=care").items
    assert pods
    for pod in pods:
        log = core.read_namespaced_pod_log(pod.metadata.name, namespace, container="care")
        assert stay.patient not in log
        assert stay.encounter not in log
