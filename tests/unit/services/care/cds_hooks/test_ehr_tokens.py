"""Tokens of EHRs: each way in which one may be wrong is refused with a reason; used ids are in a real database."""

import base64
import hmac
import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import create_engine

from model.io.database import DatabaseServer
from services.care.cds_hooks.ehr_tokens import authenticate
from services.care.context import Care
from services.care.ehr_clients import EhrClient
from services.care.settings import Settings
from services.database.schemas import Schema
from services.problems import Problem
from tests.support.care.care_world import offline
from tests.support.care.ehr import Ehr, clients
from tests.support.databases.postgres import ELSEWHERE, Database, PostgresServer

pytestmark = pytest.mark.process
ADDRESS = "https://north.example/cds-services/readmission-risk"
EHR = Ehr()


def settings(*ehrs: Ehr) -> Settings:
    return Settings.from_environment(
        {
            "HOSPITAL": "north",
            "PUBLIC_URL": "https://north.example",
            "PLANNING_URL": "https://planning.example",
            "EHR_CLIENTS": clients(*ehrs),
            "CURATED": "curated",
            **ELSEWHERE,
        }
    )


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Database:
    return postgres.database(Schema.CARE)


@pytest.fixture(scope="module")
def care(database: Database) -> Care:
    return offline(settings(EHR), database.engine("care-service"))


def refusal(care: Care, token: str | None) -> str:
    with pytest.raises(Problem) as refused:
        authenticate(care, token and f"Bearer {token}", ADDRESS)
    assert refused.value.status == 401
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer")
    return refused.value.detail


def test_a_valid_token_names_the_ehr(care: Care) -> None:
    assert authenticate(care, f"Bearer {EHR.token(ADDRESS)}", ADDRESS).client.name == "north-ehr"
    assert authenticate(care, f"bearer {EHR.token(ADDRESS)}", ADDRESS).client.name == "north-ehr"
    assert authenticate(care, f"Bearer {EHR.token(ADDRESS, aud=[ADDRESS, 'other'])}", ADDRESS).client.iss
    assert authenticate(
        care, f"Bearer {EHR.token(ADDRESS, header={'kid': 'ehr-1'}, nbf=int(time.time()))}", ADDRESS
    ).client.iss


def test_a_token_is_used_once(care: Care) -> None:
    token = EHR.token(ADDRESS)
    authenticate(care, f"Bearer {token}", ADDRESS)
    assert "used before" in refusal(care, token)
    # The id counts, not the text of the token.
    assert "used before" in refusal(care, EHR.token(ADDRESS, jti=_claims(token)["jti"]))


def test_the_same_id_of_another_ehr_is_another_token(database: Database) -> None:
    other = Ehr(iss="https://second.example")
    rows = [EHR.row, other.row | {"name": "second-ehr"}]
    table = settings(EHR)
    object.__setattr__(table, "clients", tuple(EhrClient.model_validate(row) for row in rows))
    both = offline(table, database.engine("care-service"))
    authenticate(both, f"Bearer {EHR.token(ADDRESS, jti='shared')}", ADDRESS)
    assert authenticate(both, f"Bearer {other.token(ADDRESS, jti='shared')}", ADDRESS).client.name == "second-ehr"


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return content


NOW = int(time.time())


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://unknown.example"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"iss": ["https://ehr.north.example"]}, "issuer"),
        ({"aud": "https://other.example/cds-services/readmission-risk"}, "another audience"),
        ({"aud": "https://north.example/cds-services"}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"aud": 7}, "another audience"),
        ({"exp": NOW - 120, "iat": NOW - 300}, "expired"),
        ({"exp": None}, "no exp"),
        ({"exp": "soon"}, "no exp"),
        ({"exp": True}, "no exp"),
        ({"exp": 1e300}, "no exp"),
        ({"iat": NOW + 900, "exp": NOW + 1000}, "issued in the future"),
        ({"iat": None}, "no iat"),
        ({"nbf": NOW + 900}, "not valid yet"),
        ({"nbf": "now"}, "no nbf"),
        ({"exp": NOW + 86_400}, "lives longer"),
        ({"jti": None}, "no jti"),
        ({"jti": ""}, "no jti"),
        ({"jti": "x" * 257}, "no jti"),
        ({"jti": 7}, "no jti"),
    ],
)
def test_wrong_claims_are_refused_with_the_reason(care: Care, claims: dict[str, Any], reason: str) -> None:
    assert reason in refusal(care, EHR.token(ADDRESS, **claims))


@pytest.mark.parametrize(
    ("seconds", "reason"), [(-20, None), (20, None), (-400, "in the future"), (400, "has expired")]
)
def test_a_clock_that_is_off_is_named(care: Care, seconds: int, reason: str | None) -> None:
    shifted = replace(care, clock=lambda: datetime.now(UTC) + timedelta(seconds=seconds))
    token = EHR.token(ADDRESS, exp=int(time.time()) + 60)
    if reason is None:
        assert authenticate(shifted, f"Bearer {token}", ADDRESS).client.iss
    else:
        assert reason in refusal(shifted, token)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"kid": "other"}, "kid"),
        ({"kid": 7}, "kid"),
        ({"typ": "at+jwt"}, "type JWT"),
        ({"jku": "https://evil.example/jwks"}, "jku"),
    ],
)
def test_wrong_headers_are_refused(care: Care, header: dict[str, Any], reason: str) -> None:
    token = EHR.token(ADDRESS)
    _, payload, signature = token.split(".")
    changed = _encoded({"alg": "ES384", "typ": "JWT", "kid": "ehr-1"} | header)
    assert reason in refusal(care, f"{changed}.{payload}.{signature}")


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def test_only_the_registered_key_and_algorithms_sign(care: Care) -> None:
    stranger = ECKey.generate_key("P-384", {"kid": "ehr-1"})
    assert "does not verify" in refusal(care, EHR.token(ADDRESS, key=stranger))
    small = ECKey.generate_key("P-256", {"kid": "ehr-1"})
    assert "algorithm" in refusal(care, EHR.token(ADDRESS, key=small, header={"alg": "ES256"}))
    claims = _claims(EHR.token(ADDRESS))
    unsigned = f"{_encoded({'alg': 'none', 'typ': 'JWT'})}.{_encoded(claims)}."
    assert "algorithm" in refusal(care, unsigned)
    # The public key as the secret of an HMAC: the confusion of algorithms.
    signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims)}"
    digest = hmac.digest(EHR.key.as_pem(private=False), signed.encode(), "sha256")
    confused = f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    assert "algorithm" in refusal(care, confused)


def test_a_token_without_kid_is_checked_with_every_key_of_the_client(database: Database) -> None:
    old = RSAKey.generate_key(2048, {"kid": "old"})
    row = EHR.row | {"jwks": {"keys": [old.as_dict(private=False), EHR.key.as_dict(private=False)]}}
    table = settings(EHR)
    object.__setattr__(table, "clients", (EhrClient.model_validate(row),))
    both = offline(table, database.engine("care-service"))
    claims = _claims(EHR.token(ADDRESS))
    without = jwt.encode({"alg": "ES384", "typ": "JWT"}, claims, EHR.key, algorithms=["ES384"])
    assert authenticate(both, f"Bearer {without}", ADDRESS).client.iss


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic eDp5", "token"])
def test_without_a_token_there_is_a_challenge(care: Care, authorization: str | None) -> None:
    with pytest.raises(Problem) as refused:
        authenticate(care, authorization, ADDRESS)
    assert (refused.value.status, refused.value.headers) == (401, {"WWW-Authenticate": "Bearer"})


@pytest.mark.parametrize(
    "token",
    ["a", "a.b", "a.b.c", "..", "e30.e30.e30", "bnVsbA.bnVsbA.x", "W10.W10.x", "x" * 9000, "é.é.é", "e30.e30.a.b"],
)
def test_what_is_no_token_is_refused(care: Care, token: str) -> None:
    refusal(care, token)


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=30))
def test_any_bytes_are_refused_as_problems(header: bytes, payload: bytes, signature: bytes) -> None:
    nowhere = offline(_SETTINGS, create_engine("postgresql+psycopg://"))
    parts = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, payload, signature))
    with pytest.raises(Problem) as refused:
        authenticate(nowhere, f"Bearer {'.'.join(parts)}", ADDRESS)
    assert refused.value.status == 401


_SETTINGS = Settings(
    hospital="north",
    public_url="https://north.example",
    planning_url="https://planning.example",
    ehr_clients="[]",
    curated="curated",
    database_server=DatabaseServer.from_environment(ELSEWHERE),
)
object.__setattr__(_SETTINGS, "clients", (EHR.client,))


def test_when_the_database_is_away_no_token_is_accepted(care: Care) -> None:
    away = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing", connect_args={"connect_timeout": 1})
    with pytest.raises(Problem) as refused:
        authenticate(replace(care, engine=away), f"Bearer {EHR.token(ADDRESS)}", ADDRESS)
    assert refused.value.status == 503


@dataclass
class Times:
    """A clock that a test sets."""

    now: datetime


def test_ids_are_kept_until_their_tokens_expire(database: Database, care: Care) -> None:
    clock = Times(datetime.now(UTC))
    timed = replace(care, clock=lambda: clock.now)
    authenticate(timed, f"Bearer {EHR.token(ADDRESS, jti='kept')}", ADDRESS)
    clock.now += timedelta(minutes=8)

    def later() -> int:
        return int(clock.now.timestamp())

    authenticate(timed, f"Bearer {EHR.token(ADDRESS, iat=later(), exp=later() + 60)}", ADDRESS)
    assert authenticate(
        timed, f"Bearer {EHR.token(ADDRESS, jti='kept', iat=later(), exp=later() + 60)}", ADDRESS
    ).client.iss
