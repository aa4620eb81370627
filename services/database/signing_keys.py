"""Public keys of the hospital's identity provider, for the database, which verifies tokens itself.

Written by the owner role, in the Job that migrates: the service cannot add a key.
"""

import os
import ssl
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import httpx
from sqlalchemy import Connection, text

from services.database.errors import DatabaseError
from services.database.schemas import OWNER, role_name

EXPONENT = "AQAB"
IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=10)
FETCH_SECONDS = 5.0


@dataclass(frozen=True)
class Provider:
    """The hospital's identity provider, and how long a session of the worklist lasts.

    Parameters
    ----------
    issuer, audience, hospital : str
        Claims ``iss``, ``aud`` and ``hospital`` of its access tokens.
    acr : sequence of str
        Values of the claim ``acr`` that mean a second factor.
    idle, longest : timedelta
        A session ends so long after the last request, and so long after it began.
    """

    issuer: str
    audience: str
    hospital: str
    acr: Sequence[str] = ("2",)
    idle: timedelta = IDLE
    longest: timedelta = LONGEST

    @classmethod
    def from_environment(cls, hospital: str, environment: Mapping[str, str] = os.environ) -> Self | None:
        """Return the provider that ``SIGN_IN_ISSUER``, ``_AUDIENCE`` and ``_ACR`` name; none without an issuer.

        Raises
        ------
        DatabaseError
            If there is an issuer without an audience.
        """
        issuer, audience = environment.get("SIGN_IN_ISSUER", ""), environment.get("SIGN_IN_AUDIENCE", "")
        if not issuer:
            return None
        if not audience or not issuer.startswith("https://"):
            raise DatabaseError("set SIGN_IN_ISSUER to an https:// address, and SIGN_IN_AUDIENCE to care's audience")
        return cls(issuer, audience, hospital, tuple(environment.get("SIGN_IN_ACR", "2").split(",")))


def fetch(issuer: str, ca: Path | None = None) -> dict[str, object]:
    """Return the key set of an identity provider, from where its discovery document says (OpenID Connect Discovery).

    Parameters
    ----------
    issuer : str
        Its address.
    ca : Path, optional
        Certificates that its certificate is verified with; the system's without.

    Raises
    ------
    DatabaseError
        If it does not answer, or answers something else.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
        with httpx.Client(verify=context, timeout=FETCH_SECONDS) as client:
            discovery = client.get(f"{issuer}/.well-known/openid-configuration").raise_for_status().json()
            if discovery["issuer"] != issuer:
                raise ValueError("another issuer")
            return dict(client.get(discovery["jwks_uri"]).raise_for_status().json())
    except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as fault:
        raise DatabaseError(
            f"the identity provider {issuer} does not give its keys ({type(fault).__name__}); check its address and CA"
        ) from None


def publish_as_owner(connection: Connection, provider: Provider, jwks: Mapping[str, object]) -> None:
    """Publish as the hospital's owner role, on a connection of a login that may become it."""
    connection.execute(text(f'SET LOCAL ROLE "{role_name(provider.hospital, OWNER)}"'))
    publish(connection, provider, jwks)
    connection.execute(text("RESET ROLE"))


def publish(connection: Connection, provider: Provider, jwks: Mapping[str, Any]) -> None:
    """Replace the provider and its keys in the caller's transaction, as the owner role.

    Parameters
    ----------
    connection : Connection
        Of the owner of schema care.
    provider : Provider
        The only provider whose tokens open a session from now on.
    jwks : mapping
        Its JSON Web Key Set (RFC 7517). Keys other than RSA signing keys are left out.

    Raises
    ------
    DatabaseError
        If no key of the set can verify RS256 signatures.
    """
    keys = [key for key in jwks.get("keys", ()) if _verifies_rs256(key)]
    if not keys:
        raise DatabaseError(f"{provider.issuer}: no RSA key for signatures of 2048 bits or more in its key set")
    connection.execute(text("DELETE FROM care.worklist_issuers"))
    connection.execute(
        text(
            "INSERT INTO care.worklist_issuers (issuer, audience, hospital, acr, idle, longest) "
            "VALUES (:issuer, :audience, :hospital, :acr, :idle, :longest)"
        ),
        {
            "issuer": provider.issuer,
            "audience": provider.audience,
            "hospital": provider.hospital,
            "acr": list(provider.acr),
            "idle": provider.idle,
            "longest": provider.longest,
        },
    )
    for key in keys:
        modulus = _modulus(key)
        connection.execute(
            text(
                "INSERT INTO care.worklist_signing_keys (issuer, kid, modulus, octets) "
                "VALUES (:issuer, :kid, CAST(:modulus AS numeric), :octets)"
            ),
            {
                "issuer": provider.issuer,
                "kid": key["kid"],
                "modulus": str(int.from_bytes(modulus, "big")),
                "octets": len(modulus),
            },
        )


def _verifies_rs256(key: Mapping[str, Any]) -> bool:
    return (
        key.get("kty") == "RSA"
        and key.get("use", "sig") == "sig"
        and key.get("alg", "RS256") == "RS256"
        and key.get("e") == EXPONENT
        and "kid" in key
        and len(_modulus(key)) >= 256
    )


def _modulus(key: Mapping[str, object]) -> bytes:
    number = str(key["n"])
    return urlsafe_b64decode(number + "=" * (-len(number) % 4)).lstrip(b"\0")
