"""The demonstration's programs: keys of this machine, JWTs for the issuer, and calls through the gateway."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from local.errors import UserError
from local.hospitals import program_client
from local.hospitals.program_client import ISSUER, ProgramClient, call, programs
from local.keycloak.programs import ASSERTION_SECONDS
from local.paths import Home
from tests.support.gateway.tls_gateway import TlsGateway, tls_gateway
from tests.support.stack.file_stack import file_stack

ENTRIES: list[dict[str, Any]] = [
    {"name": "north", "applications": ["planner", "notes"]},
    {"name": "south", "applications": ["planner"]},
    {"name": "west"},
    {
        "name": "east",
        "applications": ["planner"],
        "models": [{"name": "boosted", "release": "v2@0123456789ab", "applications": ["research", "planner"]}],
    },
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_each_program_has_a_key_for_each_hospital_and_keeps_it(home: Home) -> None:
    found = programs(home, ENTRIES)
    assert [(one.name, len(one.keys)) for one in found] == [("notes", 1), ("planner", 3), ("research", 1)]
    assert programs(home, ENTRIES) == found
    assert all(key.keys() == {"kty", "kid", "alg", "crv", "x", "y"} for one in found for key in one.keys)


def test_its_jwt_is_for_the_issuer_and_lives_shorter_than_it_accepts(home: Home) -> None:
    client = ProgramClient(home, "north", "planner")
    public: Any = client.application.public_key()
    first, second = (jwt.decode(client.assertion(), ECKey.import_key(public), algorithms=["ES384"]) for _ in range(2))
    assert (first.claims["iss"], first.claims["sub"], first.claims["aud"]) == ("planner", "planner", ISSUER)
    assert first.claims["iat"] <= time.time()
    assert 0 < first.claims["exp"] - first.claims["iat"] <= ASSERTION_SECONDS
    assert first.claims["jti"] != second.claims["jti"]
    assert first.header["kid"] == public["kid"]


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsGateway]:
    with tls_gateway(tmp_path) as running:
        monkeypatch.setattr(program_client, "machine_url", lambda _: running.address)
        monkeypatch.setattr(ProgramClient, "tls", lambda _: running.tls())
        monkeypatch.setattr(ProgramClient, "access_token", lambda _, scope: f"token of {scope}")
        yield running


@pytest.fixture
def stack(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = file_stack(home, tmp_path, ENTRIES)
    monkeypatch.setattr(program_client, "Stack", lambda _: found)
    monkeypatch.setattr(type(found), "has_gateway", True)


@pytest.mark.usefixtures("stack")
def test_a_call_reaches_the_gateway_and_its_answer_comes_back(gateway: TlsGateway, home: Home) -> None:
    gateway.body = '{"scores": []}'
    answer = call(home, "north", "/v1/scores", "readmission.scores", b'{"encounters": []}')
    assert (answer.status_code, answer.json()) == (200, {"scores": []})
    [(path, host, body)] = gateway.seen
    assert (path, host) == ("/v1/scores", gateway.address.removeprefix("https://"))
    assert body == {"encounters": []}


@pytest.mark.usefixtures("stack", "gateway")
def test_who_cannot_call_is_told_in_one_sentence(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for hospital in ("", "west", "nowhere"):
        with pytest.raises(UserError, match=r"No program calls a gateway of .*: name north or south or east\."):
            call(home, hospital, "/v1/scores", "readmission.scores", b"{}")
    with pytest.raises(UserError, match=r"north has no program research: name planner or notes\."):
        call(home, "north", "/v1/scores", "readmission.scores", b"{}", "research")
    monkeypatch.setattr(program_client, "machine_url", lambda _: "https://localhost:9")
    with pytest.raises(UserError, match=r"gateway of north does not answer .*: run `make status`"):
        call(home, "north", "/v1/scores", "readmission.scores", b"{}")
