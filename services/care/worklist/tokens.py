"""Access tokens of people: verified in care against the keys of the hospital's identity provider.

The gateway forwards the token and has verified it; care does not rely on that, and the database verifies it a third
time before it shows a row (``migrations/care/0101_care_worklist_sessions.py``).
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from services.care.worklist.settings import WorklistSettings
from services.database.errors import DatabaseError

if TYPE_CHECKING:
    from joserfc.jwk import KeySetSerialization

ALGORITHM = "RS256"
LARGEST = 16384
REFRESH_SECONDS = 30.0
"""Shortest time between two requests for the keys, however many tokens name an unknown one."""
KEEP_SECONDS = 3600.0

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Jwks = dict[str, object]


class RefusedTokenError(Exception):
    """A token that care does not accept; the message is for the person and names no value of it."""


class ExpiredTokenError(RefusedTokenError):
    """A token that was good once."""


class _Claims(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    sub: Text
    sid: Text
    name: Text
    typ: Text
    acr: Text
    hospital: Text
    units: list[Text]
    roles: list[Text]


@dataclass(frozen=True)
class Person:
    """Person who signed in."""

    subject: str
    name: str
    units: tuple[str, ...]
    roles: tuple[str, ...]

    @property
    def sees_patients(self) -> bool:
        """Whether the person's role lets them see patients of their units."""
        return bool({"coordinator", "manager"} & set(self.roles))

    @property
    def role(self) -> str:
        """The role that the audit record has."""
        return next((role for role in ("coordinator", "manager", "auditor") if role in self.roles), "none")


class Keys:
    """Keys of the identity provider, fetched by its discovery document and kept for an hour.

    Parameters
    ----------
    fetch : callable
        Returns the JSON Web Key Set.
    """

    def __init__(self, fetch: Callable[[], Jwks]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._fetched = float("-inf")

    def holding(self, kid: str | None) -> KeySet:
        """Return the keys; fetched again if they are old, or none of them has this ID.

        Raises
        ------
        RefusedTokenError
            If the provider does not answer and no keys were fetched before.
        """
        with self._lock:
            age = time.monotonic() - self._fetched
            holds = self._keys is not None and any(key.kid == kid for key in self._keys.keys)
            if age > KEEP_SECONDS or (not holds and age > REFRESH_SECONDS):
                self._refresh()
            if self._keys is None:
                raise RefusedTokenError("The identity provider does not answer; try again in a minute.")
            return self._keys

    def _refresh(self) -> None:
        try:
            self._keys = KeySet.import_key_set(cast("KeySetSerialization", self._fetch()))
        except (DatabaseError, ValueError, KeyError, TypeError, JoseError):
            return
        finally:
            self._fetched = time.monotonic()


def verify(token: str, settings: WorklistSettings, keys: Keys) -> Person:
    """Return the person of an access token.

    Raises
    ------
    ExpiredTokenError
        If it was good and is not any more.
    RefusedTokenError
        If it is not a token of this hospital's identity provider for care, or has no second factor.
    """
    if len(token) > LARGEST:
        raise RefusedTokenError("Sign in again: the access token is too large.")
    try:
        registry = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.audience},
            exp={"essential": True},
        )
        decoded = jwt.decode(token, lambda item: keys.holding(item.headers().get("kid")), algorithms=[ALGORITHM])
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
        raise RefusedTokenError("Sign in again: the access token is not one of this hospital's.") from None
    expired = _expired(decoded.claims)
    try:
        registry.validate(decoded.claims | ({"exp": int(time.time()) + 60} if expired else {}))
        claims = _Claims.model_validate(decoded.claims)
    except (JoseError, ValidationError, TypeError):
        raise RefusedTokenError("Sign in again: the access token is not for this service.") from None
    if claims.typ != "Bearer" or claims.hospital != settings.hospital:
        raise RefusedTokenError("Sign in again: the access token is not for this hospital's worklist.")
    if claims.acr not in settings.acr:
        raise RefusedTokenError("Sign in with a second factor: a password alone does not open the worklist.")
    if expired:
        raise ExpiredTokenError("Your session has ended. Sign in again.")
    return Person(claims.sub, claims.name, tuple(claims.units), tuple(claims.roles))


def _expired(claims: dict[str, object]) -> bool:
    expires = claims.get("exp")
    return isinstance(expires, int | float) and not isinstance(expires, bool) and expires <= time.time()
