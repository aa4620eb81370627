"""The live gateways: who comes through to care and planning, who is refused, and with what."""

import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.hospitals.discharge import PATH as HOOK
from local.paths import LOOPBACK, WORKLIST_PORT, Home, machine_url
from tests.integration.gateway.gateway_callers import (
    DISCOVERY,
    NOTES,
    REFUSED,
    SCORES,
    Callers,
)
from tests.support.gateway.gateway_pki import HospitalAuthority, write
from tests.support.stack.service_accounts import CLINIC

pytestmark = pytest.mark.skipif(not CLINIC, reason="the stack has no gateway")
HOSPITALS = ("north", "south")
PLATFORM = "north-platform"
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def north(home: Home) -> Callers:
    return Callers(home, "north")


@pytest.fixture(scope="module")
def south(home: Home) -> Callers:
    return Callers(home, "south")


# --- who comes through ------------------------------------------------------------------
@pytest.mark.parametrize("hospital", HOSPITALS)
def test_the_ehr_gets_a_card_and_its_token_is_good_for_one_call(home: Home, hospital: str) -> None:
    callers = Callers(home, hospital)
    token = callers.hook_token(HOOK)
    answer = callers.hook(token)
    assert answer.status_code == 200, answer.text
    assert [card["source"]["label"] for card in answer.json()["cards"]]
    replayed = callers.hook(token)
    assert replayed.status_code == 401
    assert "The token was used before" in replayed.json()["detail"]


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_a_program_with_the_scope_gets_scores(home: Home, hospital: str) -> None:
    callers = Callers(home, hospital)
    answer = callers.score(callers.program.access_token("readmission.scores"))
    assert answer.status_code == 200, answer.text
    assert [one["status"] for one in answer.json()["scores"]] == ["not-scored"]
    assert answer.headers["audit-record"].isdigit()


def test_a_queued_workflow_is_answered_501_to_a_program_with_its_scope(north: Callers) -> None:
    program = north.program
    answer = north.send("POST", NOTES, program.access_token("notes.extract"), program.tls(), json={})
    assert (answer.status_code, answer.headers["content-type"]) == (501, "application/problem+json")
    refused = north.send("POST", NOTES, program.access_token("readmission.scores"), program.tls(), json={})
    assert refused.status_code == 403


# --- tokens ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, 200),
        ({"iss": "https://ehr.elsewhere.example"}, 401),
        ({"iss": "https://ehr.south.example"}, 401),
        ({"aud": "https://south.api.localhost:8447/cds-services"}, 403),
        ({"aud": "https://north.api.localhost:8447/v1/scores"}, 403),
        ({"seconds": -300}, 401),
        ({"nbf": 4102444800}, 401),
    ],
    ids=["as it is", "unknown", "another hospital's", "for another hospital", "for another route", "expired", "early"],
)
def test_a_token_of_the_ehr_is_for_this_hospital_this_route_and_now(
    north: Callers, changed: dict[str, Any], status: int
) -> None:
    assert north.discover(north.hook_token(**changed)).status_code == status


def test_a_token_of_another_key_or_none_is_refused(north: Callers, south: Callers) -> None:
    stolen = south.ehr.application.sign({"iss": north.ehr.issuer, "aud": north.url(DISCOVERY)}, 120)
    for token in (stolen, "a.b.c", "", north.access_token()):
        assert north.discover(token).status_code == 401


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, 200),
        ({"scope": "notes.extract"}, 403),
        ({"scope": ""}, 403),
        ({"scope": "readmission.scores.more"}, 403),
        ({"client_id": "south-program"}, 403),
        ({"client_id": "unknown"}, 403),
        ({"aud": "north-care"}, 403),
        ({"iss": "https://172.31.250.1:8446/realms/north"}, 401),
        ({"exp": 1}, 401),
    ],
    ids=lambda value: str(value),
)
def test_a_token_of_a_program_has_this_scope_client_audience_and_time(
    north: Callers, changed: dict[str, Any], status: int
) -> None:
    assert north.score(north.access_token(**changed)).status_code == status


def test_the_token_of_one_is_no_use_with_the_certificate_of_another(north: Callers, south: Callers) -> None:
    assert north.discover(north.hook_token(), north.program.tls()).status_code == 403
    assert north.score(north.access_token(), north.ehr.tls()).status_code == 403
    assert north.score(south.program.access_token("readmission.scores")).status_code == 403


# --- connections -----------------------------------------------------------------------------
@pytest.fixture
def answered(north: Callers) -> None:
    """Check that the gateway answers, so that a connection without an answer is a refusal."""
    assert north.discover(north.hook_token()).status_code == 200


@pytest.mark.usefixtures("answered")
def test_an_application_of_another_hospital_has_no_certificate_here(north: Callers, south: Callers) -> None:
    # It trusts the gateway, whose authority is not that of its own hospital.
    context = north.trusting()
    south.ehr.tls()
    context.load_cert_chain(south.ehr.application.certificate_file)
    with pytest.raises(REFUSED):
        north.discover(north.hook_token(), context)


@pytest.mark.usefixtures("answered")
def test_no_certificate_a_foreign_one_and_an_expired_one_are_refused(north: Callers, tmp_path: Path) -> None:
    stranger = HospitalAuthority("Authority of hospital north")
    with pytest.raises(REFUSED):
        north.discover(north.hook_token(), north.trusting())
    for expired in (False, True):
        files = write(stranger.issue("north-ehr", expired=expired), tmp_path, f"foreign-{expired}")
        context = north.trusting()
        context.load_cert_chain(files.certificate, files.key)
        with pytest.raises(REFUSED):
            north.discover(north.hook_token(), context)


@pytest.mark.usefixtures("answered")
def test_plain_http_is_not_answered(core: Any) -> None:
    service = core.read_namespaced_service("gateway", PLATFORM).spec.cluster_ip
    for address in ((LOOPBACK, WORKLIST_PORT), (service, 443)):
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(f"GET {DISCOVERY} HTTP/1.1\r\nHost: north.api.localhost\r\n\r\n".encode())
            try:
                answer = connection.recv(100)
            except ConnectionError:
                answer = b""
        assert b"HTTP" not in answer


@pytest.mark.usefixtures("answered")
@pytest.mark.parametrize("host", ["west.api.localhost", "unknown.example"])
def test_another_host_is_not_answered(north: Callers, host: str) -> None:
    context = north.trusting()
    context.check_hostname = False
    with (
        socket.create_connection((LOOPBACK, WORKLIST_PORT), timeout=10) as connection,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(connection, server_hostname=host)


# --- paths, bodies and rates ---------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", HOOK),
        ("DELETE", DISCOVERY),
        ("POST", "/cds-services/other"),
        ("GET", "/v2/models/readmission-risk-v1"),
        ("GET", "/worklist"),
        ("GET", "/metrics"),
        ("GET", "/stats"),
        ("GET", f"{DISCOVERY}%2f.."),
    ],
)
def test_an_unknown_path_or_method_is_refused(north: Callers, method: str, path: str) -> None:
    assert north.send(method, path, north.hook_token()).status_code in (400, 404)


def test_an_oversized_body_is_refused(north: Callers) -> None:
    json = {"Content-Type": "application/json"}
    bodies = (b" " * (MEBIBYTE - 1), b" " * (MEBIBYTE + 1))
    answers = [north.send("POST", HOOK, north.hook_token(HOOK), headers=json, content=body) for body in bodies]
    assert [answer.status_code for answer in answers] == [400, 413]
    refused = north.send(
        "POST", SCORES, north.access_token(), north.program.tls(), headers=json, content=b" " * 300_000
    )
    assert refused.status_code == 413


def test_more_than_the_burst_is_refused(north: Callers) -> None:
    headers = {"Authorization": f"Bearer {north.access_token()}", "Host": machine_url("north").removeprefix("https://")}
    extensions = {"sni_hostname": "north.api.localhost"}
    address = f"https://{LOOPBACK}:{WORKLIST_PORT}{SCORES}"
    with httpx.Client(verify=north.program.tls(), timeout=30, trust_env=False) as http:

        def call(_: int) -> int:
            # No request that planning answers: what the gateway lets through ends at once.
            return http.post(address, json={}, headers=headers, extensions=extensions).status_code

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(call, range(80)))
    assert set(answers) == {422, 429}
    assert answers.count(429) > 8


# --- people -----------------------------------------------------------------------------
def test_a_browser_without_a_session_is_sent_to_the_sign_in(north: Callers) -> None:
    answer = north.browse("GET", "/worklist")
    place = httpx.URL(answer.headers["location"])
    assert answer.status_code == 302
    assert place.path == "/realms/north/protocol/openid-connect/auth"
    assert place.params["redirect_uri"] == "https://north.localhost:8447/oauth2/callback"
    assert (place.params["response_type"], place.params["code_challenge_method"]) == ("code", "S256")
    assert north.browse("POST", "/worklist/entries/1/claim", data={"note": "x"}).status_code == 401
    assert north.browse("POST", HOOK, headers={"Authorization": f"Bearer {north.hook_token(HOOK)}"}).status_code == 404
