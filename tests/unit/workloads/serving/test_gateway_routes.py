"""A hospital's gateway on the real Envoy Gateway and Envoy: who is refused, with what, and what comes through."""

import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
import tenacity

from infra.settings import SettingsError
from tests.support.gateway.gateway_pki import HospitalAuthority, write
from tests.support.gateway.gateway_world import (
    EHR,
    EHR_ISSUER,
    HOSPITAL,
    MODEL,
    PROGRAM,
    RESEARCH,
    World,
    bearer,
    gateway_settings,
    public_members,
    routes,
    signing_key,
    token,
    world,
)
from tests.support.stack.mocked_stack import settings
from workloads.serving.gateway_routes import gateway_objects
from workloads.serving.routes import table

HOOK = "/cds-services/readmission-risk"
SCORES = "/v1/scores"
NOTES = "/v1/notes"
REFUSED = (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def hook(gateway: World, **change: Any) -> str:
    return token(gateway.ehr_key, {**gateway.ehr_claims(HOOK), **change})


# --- what comes through -------------------------------------------------------------------
@pytest.mark.process
def test_the_ehr_comes_through_by_certificate_and_token(gateway: World) -> None:
    with gateway.machines() as client:
        answer = client.post(HOOK, json={"hook": "encounter-discharge"}, headers=bearer(hook(gateway)))
    assert answer.status_code == 200, answer.text
    assert answer.json()["path"] == HOOK
    # `care` checks the token again; the application is the gateway's word.
    assert answer.json()["headers"]["x-application"] == EHR_ISSUER
    assert answer.json()["headers"]["authorization"].startswith("Bearer ")


@pytest.mark.process
def test_a_program_comes_through_by_certificate_scope_and_client(gateway: World) -> None:
    headers = bearer(token(gateway.login_key, gateway.program_claims())) | {"X-Application": "somebody-else"}
    with gateway.machines(PROGRAM) as client:
        answer = client.post(SCORES, json={}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["headers"]["x-application"] == PROGRAM


@pytest.mark.process
def test_a_queued_workflow_is_answered_501_to_those_who_may_use_it(gateway: World) -> None:
    with gateway.machines(PROGRAM) as client:
        allowed = client.post(NOTES, json={}, headers=bearer(token(gateway.login_key, gateway.program_claims())))
        refused = client.post(NOTES, json={})
    assert (allowed.status_code, allowed.headers["content-type"]) == (501, "application/problem+json")
    assert allowed.json()["status"] == 501
    assert refused.status_code == 401


# --- who is refused ---------------------------------------------------------------------
@pytest.mark.process
@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"iss": "https://ehr.south.example"}, 401),
        ({"aud": "https://south.api.risk.healthcare-mlops.example/cds-services/readmission-risk"}, 403),
        ({"aud": "https://north.api.risk.healthcare-mlops.example/v1/scores"}, 403),
        ({"exp": 1}, 401),
        ({"nbf": 4102444800}, 401),
    ],
    ids=["unknown issuer", "audience of another hospital", "audience of another service", "expired", "not yet valid"],
)
def test_a_token_of_the_ehr_that_is_not_for_this_call_is_refused(
    gateway: World, claims: dict[str, Any], status: int
) -> None:
    before = len(gateway.care.received)
    with gateway.machines() as client:
        answer = client.post(HOOK, json={}, headers=bearer(hook(gateway, **claims)))
    assert answer.status_code == status
    assert len(gateway.care.received) == before


@pytest.mark.process
def test_a_token_of_another_key_is_refused(gateway: World) -> None:
    stolen = replace(gateway, ehr_key=signing_key("ehr-1"))
    with gateway.machines() as client:
        assert client.post(HOOK, json={}, headers=bearer(hook(stolen))).status_code == 401
        assert client.post(HOOK, json={}, headers=bearer("a.b.c")).status_code == 401
        assert client.post(HOOK, json={}).status_code == 401


@pytest.mark.process
def test_a_token_with_the_certificate_of_another_application_is_refused(gateway: World) -> None:
    with gateway.machines(PROGRAM) as client:
        assert client.post(HOOK, json={}, headers=bearer(hook(gateway))).status_code == 403
    with gateway.machines(EHR) as client:
        borrowed = bearer(token(gateway.login_key, gateway.program_claims()))
        assert client.post(SCORES, json={}, headers=borrowed).status_code == 403


@pytest.mark.process
@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"client_id": "south-planner"}, 403),
        ({"client_id": "unknown"}, 403),
        ({"scope": "notes.extract"}, 403),
        ({"scope": ""}, 403),
        ({"scope": "readmission.scores.more"}, 403),
        ({"aud": "another-service"}, 403),
        ({"iss": "https://login.elsewhere.example"}, 401),
        ({"exp": 1}, 401),
    ],
)
def test_a_program_s_token_that_is_not_enough_is_refused(gateway: World, change: dict[str, Any], status: int) -> None:
    before = len(gateway.planning.received)
    with gateway.machines(PROGRAM) as client:
        headers = bearer(token(gateway.login_key, gateway.program_claims(**change)))
        assert client.post(SCORES, json={}, headers=headers).status_code == status
    assert len(gateway.planning.received) == before


@pytest.mark.process
@pytest.mark.parametrize(
    ("program", "certificate", "path", "status"),
    [
        (RESEARCH, RESEARCH, f"/v1/models/{MODEL}/scores", 200),
        (PROGRAM, PROGRAM, f"/v1/models/{MODEL}/scores", 403),
        (RESEARCH, RESEARCH, SCORES, 403),
        (RESEARCH, PROGRAM, f"/v1/models/{MODEL}/scores", 403),
        (PROGRAM, RESEARCH, SCORES, 403),
        (RESEARCH, RESEARCH, NOTES, 403),
        (RESEARCH, RESEARCH, "/v1/models/other/scores", 404),
        (RESEARCH, RESEARCH, f"/v1/models/{MODEL}/scores/..%2F..%2Fscores", 400),
        (RESEARCH, RESEARCH, f"/v1/models/{MODEL}/../../scores", 403),
    ],
)
def test_a_program_asks_its_own_model_alone(
    gateway: World, program: str, certificate: str, path: str, status: int
) -> None:
    before = len(gateway.planning.received)
    headers = bearer(token(gateway.login_key, gateway.program_claims(client_id=program)))
    with gateway.machines(certificate) as client:
        answer = client.post(path, json={}, headers=headers)
        without_scope = gateway.program_claims(client_id=program, scope="notes.extract")
        other = client.post(path, json={}, headers=bearer(token(gateway.login_key, without_scope)))
    assert answer.status_code == status, answer.text
    assert other.status_code in (400, 403, 404, 501)
    assert len(gateway.planning.received) == before + (status == 200)


@pytest.mark.process
def test_an_access_token_does_not_open_the_ehr_s_routes(gateway: World) -> None:
    with gateway.machines() as client:
        headers = bearer(token(gateway.login_key, gateway.program_claims()))
        assert client.post(HOOK, json={}, headers=headers).status_code == 401
        assert client.post(SCORES, json={}, headers=bearer(hook(gateway))).status_code == 401


@pytest.mark.process
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", HOOK),
        ("DELETE", HOOK),
        ("POST", "/cds-services/other"),
        ("POST", f"{HOOK}/"),
        ("POST", f"{HOOK}/../readmission-risk/feedback/x"),
        ("GET", "/v2/models/readmission-risk-v1"),
        ("GET", "/worklist"),
        ("GET", "/metrics"),
    ],
)
def test_an_unknown_path_or_method_is_refused(gateway: World, method: str, path: str) -> None:
    with gateway.machines() as client:
        assert client.request(method, path, headers=bearer(hook(gateway))).status_code in (400, 404)


@pytest.mark.process
def test_an_oversized_body_is_refused(gateway: World) -> None:
    with gateway.machines() as client:
        headers = bearer(hook(gateway))
        assert client.post(HOOK, content=b"x" * (1024 * 1024 - 1), headers=headers).status_code == 200
        assert client.post(HOOK, content=b"x" * (1024 * 1024 + 1), headers=headers).status_code == 413


@pytest.mark.process
def test_more_than_the_burst_is_refused(gateway: World) -> None:
    path = f"{HOOK}/feedback"
    with gateway.machines() as client:
        headers = bearer(token(gateway.ehr_key, gateway.ehr_claims(path)))
        answers = [client.post(path, json={}, headers=headers).status_code for _ in range(100)]
    assert set(answers) == {200, 429}


@pytest.mark.process
def test_more_requests_at_once_than_a_service_works_on_are_refused_while_the_others_wait(gateway: World) -> None:
    most = table().routes["discharge-hook"].at_once
    assert most is not None

    def ask() -> int:
        with gateway.machines() as client:
            return client.post(HOOK, json={}, headers=bearer(hook(gateway)) | {"X-Hold": "1"}).status_code

    with ThreadPoolExecutor(2 * most) as pool:
        asked = [pool.submit(ask) for _ in range(2 * most)]
        first = [one.result() for one in islice(as_completed(asked), most)]
        gateway.care.release.set()
    gateway.care.release.clear()
    assert first == [503] * most
    assert sorted(one.result() for one in asked) == [200] * most + [503] * most


@pytest.mark.process
def test_a_service_that_does_not_answer_in_time_is_given_up(gateway: World) -> None:
    with gateway.machines(PROGRAM) as client:
        headers = bearer(token(gateway.login_key, gateway.program_claims())) | {"X-Hold": "1"}
        assert client.post(SCORES, json={}, headers=headers).status_code == 504


# --- TLS -------------------------------------------------------------------------------
@pytest.mark.process
def test_without_a_client_certificate_no_request_is_read(gateway: World) -> None:
    with gateway.client(gateway.gateway.machine_host(HOSPITAL)) as client, pytest.raises(REFUSED):
        client.post(HOOK, json={}, headers=bearer(hook(gateway)))


@pytest.mark.process
def test_a_revoked_certificate_is_refused(gateway: World, tmp_path: Path) -> None:
    files = write(gateway.revoked, tmp_path, "revoked")
    with gateway.client(gateway.gateway.machine_host(HOSPITAL), files) as client, pytest.raises(REFUSED):
        client.post(HOOK, json={}, headers=bearer(hook(gateway)))


@pytest.mark.process
def test_certificates_that_are_expired_or_of_another_hospital_are_refused(gateway: World, tmp_path: Path) -> None:
    expired = write(gateway.authority.issue(EHR, expired=True), tmp_path, "expired")
    foreign = write(HospitalAuthority("hospital south").issue(EHR), tmp_path, "foreign")
    for files in (expired, foreign):
        with gateway.client(gateway.gateway.machine_host(HOSPITAL), files) as client, pytest.raises(REFUSED):
            client.post(HOOK, json={}, headers=bearer(hook(gateway)))


@pytest.mark.process
def test_a_workload_s_certificate_is_none_of_an_application(gateway: World, tmp_path: Path) -> None:
    files = write(gateway.workloads_authority.issue(EHR), tmp_path, "workload")
    with gateway.client(gateway.gateway.machine_host(HOSPITAL), files) as client, pytest.raises(REFUSED):
        client.post(HOOK, json={}, headers=bearer(hook(gateway)))


@pytest.mark.process
def test_the_host_for_people_does_not_lead_to_the_routes_of_programs(gateway: World) -> None:
    with gateway.browser() as client:
        headers = bearer(hook(gateway))
        assert client.post(HOOK, json={}, headers=headers).status_code == 404
        # The host for programs in the header of a connection that was made for the host for people.
        headers |= {"Host": gateway.gateway.machine_host(HOSPITAL)}
        assert client.post(HOOK, json={}, headers=headers).status_code in (403, 404, 421)


@pytest.mark.process
def test_plain_http_is_not_answered(gateway: World) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(f"GET {HOOK} HTTP/1.1\r\nHost: {gateway.gateway.machine_host(HOSPITAL)}\r\n\r\n".encode())
        try:
            answer = connection.recv(100)
        except ConnectionError:
            answer = b""
    assert b"HTTP" not in answer


@pytest.mark.process
@pytest.mark.parametrize("host", ["south.api.risk.healthcare-mlops.example", "unknown.example"])
def test_another_host_has_no_certificate_here(gateway: World, host: str) -> None:
    context = ssl.create_default_context(cafile=str(gateway.folder / "ca.crt"))
    with (
        socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(connection, server_hostname=host)


@pytest.mark.process
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_before_1_2_is_refused(gateway: World) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(connection, server_hostname=gateway.gateway.browser_host(HOSPITAL))


@pytest.mark.process
def test_a_new_certificate_is_served_without_a_lost_request(gateway: World) -> None:
    before = gateway.serial_number()
    answers: list[int] = []
    stop = threading.Event()

    def call() -> None:
        with gateway.machines() as client:
            while not stop.is_set():
                answers.append(client.post(HOOK, json={}, headers=bearer(hook(gateway))).status_code)

    with ThreadPoolExecutor(1) as background:
        calling = background.submit(call)
        try:
            serial = gateway.rotate()
            for attempt in tenacity.Retrying(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.2)):
                with attempt:
                    assert gateway.serial_number() == serial
        finally:
            stop.set()
        # An exception here is a request that was lost.
        calling.result(timeout=60)
    assert serial != before
    assert set(answers) <= {200, 429}
    assert 200 in answers


@pytest.mark.process
def test_a_certificate_that_is_revoked_later_is_refused_then(gateway: World, tmp_path: Path) -> None:
    pair = gateway.authority.issue(EHR)
    files = write(pair, tmp_path, "later")

    def answered() -> bool:
        with gateway.client(gateway.gateway.machine_host(HOSPITAL), files) as client:
            try:
                return client.post("/unknown").status_code == 404
            except REFUSED:
                return False

    assert answered()
    gateway.revoke(pair)
    for attempt in tenacity.Retrying(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.2)):
        with attempt:
            assert not answered()
    # Others still come in.
    with gateway.machines() as client:
        assert client.post("/unknown").status_code == 404


@pytest.mark.process
def test_a_connection_does_not_outlive_a_revoked_certificate_for_long(gateway: World, tmp_path: Path) -> None:
    pair = gateway.authority.issue(EHR)
    files = write(pair, tmp_path, "open")
    waiting = tenacity.Retrying(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.2))

    def closes(client: httpx.Client) -> bool:
        answer = client.post(HOOK, json={}, headers=bearer(hook(gateway)))
        assert answer.status_code in (200, 429)
        return bool(answer.headers.get("connection") == "close")

    def is_refused(client: httpx.Client) -> bool:
        try:
            closes(client)
        except REFUSED:
            return True
        return False

    with gateway.client(gateway.gateway.machine_host(HOSPITAL), files) as client:
        assert not closes(client)
        with gateway.short_connections("1s"):
            for attempt in waiting:
                with attempt:
                    assert closes(client)
            gateway.revoke(pair)
            for attempt in waiting.copy():
                with attempt:
                    assert is_refused(client)


# --- people ---------------------------------------------------------------------------
@pytest.mark.process
def test_a_browser_without_a_session_is_sent_to_the_hospital_s_identity_provider(gateway: World) -> None:
    with gateway.browser() as client:
        answer = client.get("/worklist")
    location = httpx.URL(answer.headers["location"])
    assert answer.status_code == 302
    assert str(location).startswith("https://login.north.example/oauth2/v1/authorize?")
    assert location.params["redirect_uri"] == f"{gateway.gateway.browser_url(HOSPITAL)}/oauth2/callback"
    assert (location.params["response_type"], location.params["code_challenge_method"]) == ("code", "S256")
    assert all(
        "Secure" in cookie.title() and "Httponly" in cookie.title() for cookie in answer.headers.get_list("set-cookie")
    )


@pytest.mark.process
def test_a_form_or_a_script_without_a_session_is_answered_401(gateway: World) -> None:
    with gateway.browser() as client:
        assert client.post("/worklist/entries/1/claim", data={"note": "call"}).status_code == 401
        assert client.get("/worklist", headers={"Sec-Fetch-Mode": "cors"}).status_code == 401


@pytest.mark.process
def test_a_token_in_a_header_is_no_session(gateway: World) -> None:
    claims = {"iss": "https://login.north.example", "aud": "readmission-care"}
    headers = bearer(token(gateway.login_key, {**claims, "hospital": "north", "acr": "2", "azp": "worklist"}))
    before = len(gateway.care.received)
    with gateway.browser() as client:
        assert client.get("/worklist", headers=headers).status_code in (302, 401)
        assert client.get("/oauth2/callback?code=x&state=y").status_code in (401, 403)
    assert len(gateway.care.received) == before


# --- the log ---------------------------------------------------------------------------
@pytest.mark.process
def test_no_log_has_a_path_a_query_or_a_body(gateway: World) -> None:
    secret = "mrn-7654321"
    with gateway.machines() as client:
        client.post(f"{HOOK}?patient={secret}", json={"note": secret}, headers=bearer(hook(gateway)))
        client.post(f"/cds-services/{secret}", json={}, headers=bearer(hook(gateway)))
        client.post(HOOK, json={}, headers=bearer(secret))
    with gateway.browser() as client:
        client.post(f"/worklist/{secret}", data={"note": secret})
        client.get(f"/worklist/{secret}?name={secret}")
    gateway.controller.wait_for_requests(5)
    assert [line for line in gateway.controller.lines() if secret in line] == []
    routes_logged = {str(line["route"]).split("/")[2] for line in gateway.controller.requests() if line["route"]}
    assert {"discharge-hook", "worklist"} <= routes_logged


# --- the objects -----------------------------------------------------------------------
def test_no_object_of_a_hospital_without_ehr_programs_or_sign_in(tmp_path: Path) -> None:
    gateway, hospital = gateway_settings(tmp_path, signing_key("ehr-1"))
    kept = {
        "ehr": replace_in(hospital, ehr=None),
        "applications": replace_in(hospital, applications=()),
    }
    names = {name: {one.name for one in gateway_objects(routes(gateway, one))} for name, one in kept.items()}
    assert not {"discharge-hook", "feedback"} & names["ehr"]
    assert not {"scores", "note-extraction", "patient-outreach"} & names["applications"]
    assert f"model-scores-{MODEL}" in names["applications"]
    without = gateway_objects(routes(gateway, replace_in(hospital, sign_in=None)))
    assert not {"worklist", "browsers"} & {one.name for one in without}
    specs: list[Any] = [one.spec for one in without if one.kind == "Gateway"]
    [listeners] = [spec["listeners"] for spec in specs]
    assert [listener["name"] for listener in listeners] == ["machines"]


def replace_in(hospital: Any, **change: Any) -> Any:
    return hospital.model_copy(update=change)


def test_each_route_has_policies_of_its_own_and_the_gateway_denies(tmp_path: Path) -> None:
    gateway, hospital = gateway_settings(tmp_path, signing_key("ehr-1"))
    objects = gateway_objects(routes(gateway, hospital))
    by_kind: dict[str, dict[str, Any]] = {
        kind: {one.name: one.spec for one in objects if one.kind == kind} for kind in {one.kind for one in objects}
    }
    assert by_kind["SecurityPolicy"].keys() == by_kind["HTTPRoute"].keys() | {"gateway"}
    assert by_kind["BackendTrafficPolicy"].keys() == by_kind["HTTPRoute"].keys()
    assert by_kind["SecurityPolicy"]["gateway"]["authorization"] == {"defaultAction": "Deny"}
    for name, spec in by_kind["SecurityPolicy"].items():
        assert spec["authorization"]["defaultAction"] == "Deny", name


@pytest.mark.parametrize(
    "change",
    [
        {"d": "c2VjcmV0"},
        {"alg": "RS384"},
        {"alg": "HS256"},
        {"kty": "RSA"},
        {"x": None},
        {"n": "AQAB"},
        {"crv": "P-256"},
        {"x": "not base64!"},
    ],
)
def test_a_key_of_an_ehr_that_is_no_public_key_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    key = {name: value for name, value in {**public_members(signing_key("k")), **change}.items() if value is not None}

    def with_ehr(written: dict[str, Any]) -> None:
        written["hospitals"][0]["ehr"] = {"application": EHR, "issuer": EHR_ISSUER, "keys": [key]}

    with pytest.raises(SettingsError, match="ehr"):
        settings("prod", tmp_path, with_ehr)
