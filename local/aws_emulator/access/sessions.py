"""Stateless session credentials of STS, which survive restarts and expire.

A session token is a JWT signed with the emulator's own secret; the secret access key is derived from the token's id.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from local.aws_emulator.messages import ACCOUNT, AwsError

_ALGORITHM = "HS256"


@dataclass(frozen=True)
class Session:
    """Session of an assumed role, with session policies that restrict it."""

    role: str
    name: str
    limits: tuple[str, ...] = ()
    subject: str = ""

    @property
    def arn(self) -> str:
        """ARN of the session."""
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.role.rsplit('/', 1)[-1]}/{self.name}"


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials of a session."""

    access_key: str
    secret_key: str
    token: str
    expires: datetime


@dataclass(frozen=True)
class Sessions:
    """Issuer and verifier of session credentials with one secret."""

    secret: bytes

    def issue(self, session: Session, seconds: int) -> Credentials:
        """Return new credentials for a session."""
        access_key = "ASIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
        claims: dict[str, Any] = {
            "jti": access_key,
            "role": session.role,
            "name": session.name,
            "limits": list(session.limits),
            "sub": session.subject,
            "exp": expires,
        }
        token = jwt.encode(claims, self._key("token"), algorithm=_ALGORITHM)
        return Credentials(access_key, self.secret_key(access_key), token, expires)

    def secret_key(self, access_key: str) -> str:
        """Return the secret access key of a temporary access key id."""
        return hmac.new(self._key("access"), access_key.encode(), hashlib.sha256).hexdigest()[:40]

    def read(self, access_key: str, token: str) -> Session:
        """Return the session of a token.

        Raises
        ------
        AwsError
            When the token is foreign, altered or expired.
        """
        try:
            claims = jwt.decode(token, self._key("token"), algorithms=[_ALGORITHM], options={"require": ["exp", "jti"]})
        except jwt.ExpiredSignatureError:
            raise AwsError("ExpiredToken", "The provided token has expired.", 400) from None
        except jwt.InvalidTokenError:
            raise _invalid() from None
        if claims["jti"] != access_key:
            raise _invalid()
        return Session(claims["role"], claims["name"], tuple(claims["limits"]), claims["sub"])

    def _key(self, use: str) -> bytes:
        return hmac.new(self.secret, use.encode(), hashlib.sha256).digest()


def _invalid() -> AwsError:
    return AwsError("InvalidToken", "The provided token is malformed or otherwise invalid.", 400)
