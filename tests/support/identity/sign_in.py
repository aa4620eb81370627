"""Identity provider under test, which signs access tokens with the claims of a hospital's identity provider.

Keycloak in the embedded environment issues the same claims (``local/keycloak/realm.py``), and the hospital's own
identity provider in production.
"""

import time
from dataclasses import dataclass, field, replace
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

ALGORITHM = "RS256"
SECOND_FACTOR = ("pwd", "otp")
PASSWORD_ONLY = ("pwd",)
LIFETIME = 300


@dataclass(frozen=True)
class User:
    """Person who signs in."""

    subject: str = "0b0f2b1e-8a43-4c3f-9a0e-1f2d3c4b5a69"
    name: str = "Casey Coordinator"
    username: str = "casey"
    units: tuple[str, ...] = ("cardiology",)
    roles: tuple[str, ...] = ("coordinator",)


COORDINATOR = User()
SECOND_COORDINATOR = User("a7d0a0b4-0000-4000-8000-000000000002", "Sam Second", "sam")
OTHER_UNIT = User("5d0a6c1c-6c0a-4a55-8a4e-3c1b0a9f8e7d", "Robin Coordinator", "robin", ("medicine",))
MANAGER = User(
    "c7c2b6d0-52f3-4f0e-8f0d-6d1b1c0a2e3f", "Morgan Manager", "morgan", ("cardiology", "medicine"), ("manager",)
)
AUDITOR = User("e1a9d4c2-0b7f-4d2c-9c3a-7f6e5d4c3b2a", "Alex Auditor", "alex", (), ("auditor",))


@dataclass(frozen=True)
class Issuer:
    """Identity provider of one hospital.

    Parameters
    ----------
    hospital
        Claim ``hospital``; issuer, client and audience are derived from it.
    key
        Private key that signs tokens.
    """

    hospital: str = "north"
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"use": "sig", "alg": ALGORITHM}, True, True))

    @property
    def url(self) -> str:
        """Claim ``iss``."""
        return f"https://172.31.250.1:8446/realms/{self.hospital}"

    @property
    def client(self) -> str:
        """Client ID of the gateway, claim ``azp``."""
        return f"{self.hospital}-worklist"

    @property
    def audience(self) -> str:
        """Claim ``aud`` of access tokens."""
        return f"{self.hospital}-care"

    @property
    def jwks(self) -> dict[str, Any]:
        """JSON Web Key Set with the public key."""
        return dict(KeySet([self.key]).as_dict(private=False))

    def claims(
        self, user: User = COORDINATOR, *, second_factor: bool = True, now: float | None = None
    ) -> dict[str, Any]:
        """Return the claims of an access token."""
        issued = int(time.time() if now is None else now)
        return {
            "iss": self.url,
            "aud": self.audience,
            "azp": self.client,
            "typ": "Bearer",
            "sub": user.subject,
            "sid": f"session-of-{user.username}",
            "jti": f"{user.username}-{issued}",
            "name": user.name,
            "preferred_username": user.username,
            "hospital": self.hospital,
            "units": list(user.units),
            "roles": list(user.roles),
            "amr": list(SECOND_FACTOR if second_factor else PASSWORD_ONLY),
            "acr": "2" if second_factor else "1",
            "auth_time": issued,
            "iat": issued,
            "exp": issued + LIFETIME,
        }

    def token(
        self,
        user: User = COORDINATOR,
        *,
        second_factor: bool = True,
        now: float | None = None,
        without: tuple[str, ...] = (),
        **changed: Any,
    ) -> str:
        """Return a signed access token.

        Parameters
        ----------
        user
            Who signed in.
        second_factor
            Whether a one-time password was given after the password.
        now
            Time of issue in seconds since 1970; the current time by default.
        without
            Claims to leave out.
        **changed
            Claims with other values.
        """
        claims = self.claims(user, second_factor=second_factor, now=now) | changed
        kept = {name: value for name, value in claims.items() if name not in without}
        return jwt.encode({"alg": ALGORITHM, "kid": self.key.kid}, kept, self.key)

    def impostor(self) -> "Issuer":
        """Return an issuer of the same name with another key, whose tokens must be refused."""
        return replace(self, key=Issuer().key)
