"""What comes through a hospital's gateway on the real Envoy Gateway and Envoy, what is logged, and its objects."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.settings import SettingsError
from tests.support.gateway.gateway_callers import (
    EHR,
    EHR_ISSUER,
    HOOK,
    NOTES,
    PROGRAM,
    SCORES,
    bearer,
    public_members,
    signing_key,
    token,
)
from tests.support.gateway.gateway_settings import HOSPITAL, MODEL, gateway_settings, routes
from tests.support.gateway.gateway_world import World
from tests.support.stack.mocked_stack import settings
from workloads.serving.gateway_routes import gateway_objects


@pytest.mark.process
def test_the_ehr_comes_through_by_certificate_and_token(gateway: World) -> None:
    with gateway.machines() as client:
        answer = client.post(HOOK, json={"hook": "encounter-discharge"}, headers=bearer(gateway.hook_token()))
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


@pytest.mark.process
def test_no_log_has_a_path_a_query_or_a_body(gateway: World) -> None:
    secret = "mrn-7654321"
    with gateway.machines() as client:
        client.post(f"{HOOK}?patient={secret}", json={"note": secret}, headers=bearer(gateway.hook_token()))
        client.post(f"/cds-services/{secret}", json={}, headers=bearer(gateway.hook_token()))
        client.post(HOOK, json={}, headers=bearer(secret))
    with gateway.browser() as client:
        client.post(f"/worklist/{secret}", data={"note": secret})
        client.get(f"/worklist/{secret}?name={secret}")
    gateway.controller.wait_for_requests(5)
    assert [line for line in gateway.controller.lines() if secret in line] == []
    routes_logged = {str(line["route"]).split("/")[2] for line in gateway.controller.requests() if line["route"]}
    assert {"discharge-hook", "worklist"} <= routes_logged


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
