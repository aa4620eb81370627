"""Who calls a hospital's gateway: an EHR and programs, with their keys and tokens."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

EHR, PROGRAM, RESEARCH = "north-ehr", "north-planner", "north-research"
EHR_ISSUER = "https://ehr.north.example"
HOOK, SCORES, NOTES = "/cds-services/readmission-risk", "/v1/scores", "/v1/notes"
REFUSED = (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError)
"""What a client raises whose connection is refused."""
_ALGORITHM = "ES384"


def signing_key(kid: str) -> ECKey:
    """Return a key for tokens."""
    return ECKey.generate_key("P-384", parameters={"kid": kid, "alg": _ALGORITHM, "use": "sig"})


def public_members(key: ECKey) -> dict[str, str]:
    """Return what a hospital's entry has of a key."""
    members: Mapping[str, Any] = key.as_dict(private=False)
    return {name: str(members[name]) for name in ("kty", "kid", "alg", "crv", "x", "y")}


def token(key: ECKey, claims: Mapping[str, Any], minutes: int = 5) -> str:
    """Return a signed token that expires in some minutes."""
    now = datetime.now(UTC)
    times = {"iat": int((now - timedelta(minutes=1)).timestamp())}
    times["exp"] = int((now + timedelta(minutes=minutes)).timestamp())
    header = {"alg": _ALGORITHM, "kid": key.kid}
    return jwt.encode(header, {**times, **claims}, key, algorithms=[_ALGORITHM])


def bearer(text: str) -> dict[str, str]:
    """Return the header with a token."""
    return {"Authorization": f"Bearer {text}"}
