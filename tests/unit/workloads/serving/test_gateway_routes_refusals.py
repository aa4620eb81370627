"""Who is refused by a hospital's gateway, with what: tokens, paths, sizes and rates."""

from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from tests.support.gateway.gateway_callers import (
    EHR,
    HOOK,
    NOTES,
    PROGRAM,
    RESEARCH,
    SCORES,
    bearer,
    signing_key,
    token,
)
from tests.support.gateway.gateway_settings import MODEL
from tests.support.gateway.gateway_world import World
from workloads.serving.routes import table

pytestmark = pytest.mark.process


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
        answer = client.post(HOOK, json={}, headers=bearer(gateway.hook_token(**claims)))
    assert answer.status_code == status
    assert len(gateway.care.received) == before


def test_a_token_of_another_key_is_refused(gateway: World) -> None:
    stolen = replace(gateway, ehr_key=signing_key("ehr-1"))
    with gateway.machines() as client:
        assert client.post(HOOK, json={}, headers=bearer(stolen.hook_token())).status_code == 401
        assert client.post(HOOK, json={}, headers=bearer("a.b.c")).status_code == 401
        assert client.post(HOOK, json={}).status_code == 401


def test_a_token_with_the_certificate_of_another_application_is_refused(gateway: World) -> None:
    with gateway.machines(PROGRAM) as client:
        assert client.post(HOOK, json={}, headers=bearer(gateway.hook_token())).status_code == 403
    with gateway.machines(EHR) as client:
        borrowed = bearer(token(gateway.login_key, gateway.program_claims()))
        assert client.post(SCORES, json={}, headers=borrowed).status_code == 403


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


def test_an_access_token_does_not_open_the_ehr_s_routes(gateway: World) -> None:
    with gateway.machines() as client:
        headers = bearer(token(gateway.login_key, gateway.program_claims()))
        assert client.post(HOOK, json={}, headers=headers).status_code == 401
        assert client.post(SCORES, json={}, headers=bearer(gateway.hook_token())).status_code == 401


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
        assert client.request(method, path, headers=bearer(gateway.hook_token())).status_code in (400, 404)


def test_an_oversized_body_is_refused(gateway: World) -> None:
    with gateway.machines() as client:
        headers = bearer(gateway.hook_token())
        assert client.post(HOOK, content=b"x" * (1024 * 1024 - 1), headers=headers).status_code == 200
        assert client.post(HOOK, content=b"x" * (1024 * 1024 + 1), headers=headers).status_code == 413


def test_more_than_the_burst_is_refused(gateway: World) -> None:
    path = f"{HOOK}/feedback"
    with gateway.machines() as client:
        headers = bearer(token(gateway.ehr_key, gateway.ehr_claims(path)))
        answers = [client.post(path, json={}, headers=headers).status_code for _ in range(100)]
    assert set(answers) == {200, 429}


def test_more_requests_at_once_than_a_service_works_on_are_refused_while_the_others_wait(gateway: World) -> None:
    most = table().routes["discharge-hook"].at_once
    assert most is not None

    def ask() -> int:
        with gateway.machines() as client:
            return client.post(HOOK, json={}, headers=bearer(gateway.hook_token()) | {"X-Hold": "1"}).status_code

    with ThreadPoolExecutor(2 * most) as pool:
        asked = [pool.submit(ask) for _ in range(2 * most)]
        first = [one.result() for one in islice(as_completed(asked), most)]
        gateway.care.release.set()
    gateway.care.release.clear()
    assert first == [503] * most
    assert sorted(one.result() for one in asked) == [200] * most + [503] * most


def test_a_service_that_does_not_answer_in_time_is_given_up(gateway: World) -> None:
    with gateway.machines(PROGRAM) as client:
        headers = bearer(token(gateway.login_key, gateway.program_claims())) | {"X-Hold": "1"}
        assert client.post(SCORES, json={}, headers=headers).status_code == 504
