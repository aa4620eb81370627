"""Signed tokens of EHRs, as CDS Hooks 2.0 describes them: who calls, checked against the table of EHR clients.

A token is refused unless its issuer is in the table, one of the issuer's keys signed it with an algorithm of the
table, its audience is the address that was called, it is neither too old nor from the future, and it was never used
before (https://cds-hooks.hl7.org/2.0/#trusting-cds-clients).
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from sqlalchemy.dialects.postgresql import insert

from services.care.context import Care
from services.care.ehr_clients import EhrClient
from services.care.tables import EHR_JTI
from services.problems import Problem

SKEW = timedelta(seconds=30)
"""How far the clock of an EHR may be off."""
LONGEST_LIFE = timedelta(minutes=10)
LONGEST_TOKEN = 8_192
LONGEST_JTI = 256
TITLE = "Token refused"


@dataclass(frozen=True)
class Caller:
    """The EHR that a token proves."""

    client: EhrClient


def refused(detail: str) -> Problem:
    """Return the problem of a token, with the challenge of RFC 6750."""
    challenge = f'Bearer error="invalid_token", error_description="{detail}"'
    return Problem(401, TITLE, detail, headers={"WWW-Authenticate": challenge})


def authenticate(care: Care, authorization: str | None, address: str) -> Caller:
    """Return the EHR whose token a request carries, and note that the token was used.

    Parameters
    ----------
    care : Care
        Settings, database and clock.
    authorization : str, optional
        The header of the request.
    address : str
        The address that was called, which the token must name as its audience.

    Raises
    ------
    Problem
        401 when the token is refused, with the reason; 503 when the database cannot say whether it was used.
    """
    token = _bearer(authorization)
    header, claimed = _unverified(token)
    client = next((one for one in care.settings.clients if one.iss == claimed.get("iss")), None)
    if client is None:
        raise refused("The issuer of the token is not registered at this service; check iss.")
    _check_header(header, client)
    claims = _verified(token, header, client)
    _check_times(claims, care.clock())
    if address not in _audiences(claims):
        raise refused("The token is for another audience; set aud to the address that is called.")
    _use_once(care, client, claims)
    return Caller(client)


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        # RFC 6750, section 3.1: without a token the challenge has no error code.
        challenge = {"WWW-Authenticate": "Bearer"}
        raise Problem(401, TITLE, "There is no token; send Authorization: Bearer with a signed JWT.", headers=challenge)
    if len(token) > LONGEST_TOKEN:
        raise refused(f"The token is longer than {LONGEST_TOKEN} characters; send a shorter one.")
    return token.strip()


def _unverified(token: str) -> tuple[dict[str, object], dict[str, object]]:
    """Return header and claims before the signature is checked, to find whose keys to check it with."""
    try:
        parts = [json.loads(_decoded(part)) for part in token.split(".")[:2]]
        header, claims = parts
    except (ValueError, RecursionError):
        raise refused("The token is not a signed JWT (three parts, base64url).") from None
    if token.count(".") != 2 or not isinstance(header, dict) or not isinstance(claims, dict):
        raise refused("The token is not a signed JWT (three parts, base64url).")
    return header, claims


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _check_header(header: dict[str, object], client: EhrClient) -> None:
    if header.get("alg") not in client.algorithms:
        raise refused(f"The algorithm of the token is not allowed; sign with {' or '.join(client.algorithms)}.")
    if header.get("typ", "JWT") != "JWT":
        raise refused("The token is not of the type JWT.")
    if "jku" in header and header["jku"] != client.jku:
        raise refused("The key set (jku) that the token names is not the registered one.")


def _verified(token: str, header: dict[str, object], client: EhrClient) -> dict[str, object]:
    kid = header.get("kid")
    keys = client.keys.keys
    named = [key for key in keys if key.kid == kid] if kid is not None else list(keys)
    if not named:
        raise refused("The key (kid) that the token names is not registered; check the keys of this client.")
    for key in named:
        try:
            claims = jwt.decode(token, key, algorithms=list(client.algorithms)).claims
        except BadSignatureError:
            continue
        except (JoseError, ValueError, TypeError, RecursionError):
            continue
        return dict(claims)
    raise refused("The signature of the token does not verify; check the keys of this client.")


def _audiences(claims: dict[str, object]) -> list[str]:
    audience = claims.get("aud")
    values = audience if isinstance(audience, list) else [audience]
    return [value.rstrip("/") for value in values if isinstance(value, str)]


def _check_times(claims: dict[str, object], now: datetime) -> None:
    expires, issued = _moment(claims, "exp"), _moment(claims, "iat")
    if now - SKEW >= expires:
        raise refused("The token has expired; send a new one, and check the clock of the EHR.")
    if issued - SKEW > now:
        raise refused("The token was issued in the future; check the clock of the EHR.")
    if "nbf" in claims and _moment(claims, "nbf") - SKEW > now:
        raise refused("The token is not valid yet (nbf); check the clock of the EHR.")
    if expires - issued > LONGEST_LIFE:
        raise refused(f"The token lives longer than {LONGEST_LIFE.seconds // 60} minutes; issue one for each request.")


def _moment(claims: dict[str, object], name: str) -> datetime:
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise refused(f"The token has no {name}, in seconds since 1970.")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        raise refused(f"The token has no {name}, in seconds since 1970.") from None


def _use_once(care: Care, client: EhrClient, claims: dict[str, object]) -> None:
    """Refuse a token id that was used before; ids are kept until their tokens expire."""
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
        raise refused(f"The token has no jti of at most {LONGEST_JTI} characters.")
    digest = hashlib.sha256(f"{client.iss}\n{jti}".encode("utf-8", "surrogatepass")).digest()
    until = _moment(claims, "exp") + SKEW
    with care.transaction() as connection:
        connection.execute(sa.delete(EHR_JTI).where(EHR_JTI.c.expires_at < care.clock() - SKEW))
        used = insert(EHR_JTI).values(digest=digest, expires_at=until).on_conflict_do_nothing()
        if connection.scalar(used.returning(EHR_JTI.c.digest)) is None:
            raise refused("The token was used before (jti); issue a new one for each request.")
