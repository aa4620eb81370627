"""SMART EHR launch of the worklist, with an authorization server over TLS that checks what the specification asks."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from services.care.launch import COOKIE, Opened, challenge, opened
from services.care.tables import LAUNCH, LAUNCHED
from tests.support.care.care_world import ADDRESS, CareWorld, care_world
from tests.support.care.ehr_server import EhrServer
from tests.support.care.ehr_server import running as running_ehr
from tests.support.databases.postgres import PostgresServer

pytestmark = pytest.mark.process
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def ehr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EhrServer]:
    yield from running_ehr(tmp_path_factory.mktemp("ehr"))


@pytest.fixture(scope="module")
def world(postgres: PostgresServer, ehr: EhrServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CareWorld]:
    with care_world(postgres, tmp_path_factory.mktemp("care"), smart_iss=ehr.base) as made:
        verify = ssl.create_default_context(cafile=str(ehr.ca))
        yield made.at(lambda: datetime.now(UTC), http=httpx.Client(verify=verify))


@pytest.fixture(autouse=True)
def fresh_browser(world: CareWorld) -> None:
    world.client.cookies.clear()
    world.client.base_url = httpx.URL(ADDRESS)


def begin(world: CareWorld, ehr: EhrServer) -> httpx.Response:
    token = ehr.launch("patient-1", "encounter-1")
    return world.client.get("/launch", params={"iss": ehr.base, "launch": token}, follow_redirects=False)


def authorize(world: CareWorld, ehr: EhrServer) -> str:
    """Begin a launch, and return the address to which the EHR sends the browser back."""
    with httpx.Client(verify=ssl.create_default_context(cafile=str(ehr.ca))) as browser:
        answer = browser.get(begin(world, ehr).headers["location"])
    assert answer.status_code == 302
    return str(answer.headers["location"])


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def test_a_launch_ends_at_the_worklist_with_a_ticket_that_is_good_once(world: CareWorld, ehr: EhrServer) -> None:
    before = len(world.records())
    back = authorize(world, ehr)
    assert back.startswith(f"{ADDRESS}/callback?")
    answer = world.client.get(path_of(back), follow_redirects=False)
    assert answer.status_code == 303
    landing, _, ticket = answer.headers["location"].rpartition("/")
    assert landing == f"{ADDRESS}/worklist/launch"
    subject = world.care.features.subject("patient-1", world.care.features.ring(None))
    expected = Opened(subject.pseudonym("Patient", "patient-1"), subject.pseudonym("Encounter", "encounter-1"))
    with world.care.transaction() as connection:
        assert opened(connection, ticket, world.care) == expected
        assert opened(connection, ticket, world.care) is None
        assert opened(connection, "unknown", world.care) is None
    begun, ended = (record.entry for record in world.records()[before:])
    assert (begun.action, begun.caller, ended.caller) == ("launch", "north-ehr", "north-ehr")
    assert (ended.patient, ended.encounter) == (expected.patient, expected.encounter)


def test_the_request_has_pkce_state_and_audience(world: CareWorld, ehr: EhrServer) -> None:
    answer = begin(world, ehr)
    query = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert (query["aud"], query["scope"], query["redirect_uri"]) == (ehr.base, "launch", f"{ADDRESS}/callback")
    assert query["code_challenge_method"] == "S256"
    assert len(query["state"]) >= 43
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(COOKIE)
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    # RFC 7636, appendix B.
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_database_has_no_state_and_no_ticket_in_the_clear(world: CareWorld, ehr: EhrServer) -> None:
    back = authorize(world, ehr)
    state = parse_qs(urlsplit(back).query)["state"][0]
    assert state.encode() not in {row["state"] for row in world.rows(LAUNCH)}
    answer = world.client.get(path_of(back), follow_redirects=False)
    ticket = answer.headers["location"].rpartition("/")[2]
    assert ticket.encode() not in {row["ticket"] for row in world.rows(LAUNCHED)}


@pytest.mark.parametrize("iss", ["https://evil.example/r4", "", "javascript:alert(1)"])
def test_an_ehr_that_is_not_registered_is_refused(world: CareWorld, iss: str) -> None:
    answer = world.client.get("/launch", params={"iss": iss, "launch": "x"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)
    assert "location" not in answer.headers


@pytest.mark.parametrize("query", [{}, {"iss": "x"}, {"launch": "x"}, {"iss": "x" * 501, "launch": "x"}])
def test_a_launch_without_its_parameters_is_refused(world: CareWorld, query: dict[str, str]) -> None:
    assert world.client.get("/launch", params=query).status_code == 422


def refused(answer: httpx.Response, status: int = 400) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert "launch again" in answer.json()["detail"]


def test_a_state_is_good_once_and_in_its_own_browser(world: CareWorld, ehr: EhrServer) -> None:
    back = path_of(authorize(world, ehr))
    cookie = world.client.cookies[COOKIE]
    assert world.client.get(back, follow_redirects=False).status_code == 303
    world.client.cookies.set(COOKIE, cookie)
    refused(world.client.get(back, follow_redirects=False))
    # Somebody else's launch, in the browser of the one who is to be signed in to it.
    stolen = path_of(authorize(world, ehr))
    world.client.cookies.clear()
    refused(world.client.get(stolen, follow_redirects=False))
    begin(world, ehr)
    refused(world.client.get(path_of(authorize(replace(world, client=world.at(world.care.clock).client), ehr))))


def test_a_launch_that_took_too_long_is_refused(world: CareWorld, ehr: EhrServer) -> None:
    back = path_of(authorize(world, ehr))
    later = world.at(lambda: datetime.now(UTC) + timedelta(minutes=11))
    later.client.base_url = httpx.URL(ADDRESS)
    later.client.cookies.update(world.client.cookies)
    refused(later.client.get(back, follow_redirects=False))


def test_a_ticket_that_is_too_old_opens_nothing(world: CareWorld, ehr: EhrServer) -> None:
    answer = world.client.get(path_of(authorize(world, ehr)), follow_redirects=False)
    ticket = answer.headers["location"].rpartition("/")[2]
    later = world.at(lambda: datetime.now(UTC) + timedelta(minutes=6)).care
    with world.care.transaction() as connection:
        assert opened(connection, ticket, later) is None


@pytest.mark.parametrize("error", ["access_denied", "<script>", "x" * 150])
def test_a_refusal_of_the_ehr_is_told_without_its_words(world: CareWorld, ehr: EhrServer, error: str) -> None:
    location = begin(world, ehr).headers["location"]
    state = parse_qs(urlsplit(location).query)["state"][0]
    answer = world.client.get("/callback", params={"state": state, "error": error}, follow_redirects=False)
    refused(answer, 502)
    assert (error in answer.text) == (error == "access_denied")


def test_a_code_that_the_ehr_does_not_know_is_refused(world: CareWorld, ehr: EhrServer) -> None:
    state = parse_qs(urlsplit(begin(world, ehr).headers["location"]).query)["state"][0]
    refused(world.client.get("/callback", params={"state": state, "code": "guess"}, follow_redirects=False), 502)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"authorization_endpoint": "http://fhir.example/a", "token_endpoint": "https://x/t"}),
    ],
)
def test_an_ehr_that_does_not_answer_as_it_should_is_told(world: CareWorld, ehr: EhrServer, answer: Any) -> None:
    away = world.at(world.care.clock, http=httpx.Client(transport=httpx.MockTransport(lambda _: answer)))
    found = away.client.get("/launch", params={"iss": ehr.base, "launch": "x"}, follow_redirects=False)
    assert (found.status_code, found.headers["content-type"]) == (502, PROBLEM)
