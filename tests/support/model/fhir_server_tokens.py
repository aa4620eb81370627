"""Token endpoint of the FHIR server for tests."""

import json
from base64 import b64encode, urlsafe_b64decode
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from joserfc import jwt
from joserfc.errors import JoseError

from tests.support.model.fhir_server_faults import FakeTime
from tests.support.model.fhir_server_resources import SECRET_NAME, TYPES

SCOPES = " ".join(f"system/{kind}.rs" for kind in TYPES)


class TokenEndpoint:
    """Token endpoint of SMART Backend Services: its clients, their keys and secrets, and the tokens that it gave."""

    base: str
    time: FakeTime

    def forget_clients(self) -> None:
        """Know no client, and have given no token."""
        self.public_keys: dict[tuple[str, str], Any] = {}
        self.secrets: dict[str, str] = {}
        self.granted = SCOPES
        self.narrowed: str | None = None
        self.token_life = 300
        self.tokens: dict[str, tuple[float, str]] = {}
        self.used: set[str] = set()

    def accepts(self, token: str | None) -> bool:
        """Return whether a token was given and has not expired."""
        until, _ = self.tokens.get(token or "", (0.0, ""))
        return self.time.seconds < until

    def grant(self, request: Request, fields: dict[str, str]) -> Response:
        """Answer a request for an access token."""
        client = self._client_of(request, fields)
        if client is None:
            return JSONResponse({"error": "invalid_client", "error_description": SECRET_NAME}, 401)
        asked = set(fields.get("scope", "").split())
        if fields.get("grant_type") != "client_credentials" or not asked <= set(self.granted.split()):
            return JSONResponse({"error": "invalid_scope", "error_description": SECRET_NAME}, 400)
        token = f"token-{len(self.tokens)}-{client}"
        self.tokens[token] = (self.time.seconds + self.token_life, fields["scope"])
        said = {"access_token": token, "token_type": "bearer", "expires_in": self.token_life}
        said["scope"] = self.narrowed or fields["scope"]
        return JSONResponse(said)

    def _client_of(self, request: Request, fields: dict[str, str]) -> str | None:
        if "client_assertion" in fields:
            return self._asserted(fields["client_assertion"])
        basic = request.headers.get("Authorization", "")
        for client, secret in self.secrets.items():
            if basic == "Basic " + b64encode(f"{client}:{secret}".encode()).decode():
                return client
            if (fields.get("client_id"), fields.get("client_secret")) == (client, secret):
                return client
        return None

    def _asserted(self, text: str) -> str | None:
        """Check a signed assertion as SMART Backend Services asks of a server."""
        header = json.loads(_unpadded(text.split(".")[0]))
        claims = json.loads(_unpadded(text.split(".")[1]))
        key = self.public_keys.get((str(claims.get("sub")), str(header.get("kid"))))
        if key is None or header.get("alg") not in ("RS384", "ES384") or header.get("typ") != "JWT":
            return None
        try:
            told = jwt.decode(text, key, algorithms=["RS384", "ES384"]).claims
        except JoseError:
            return None
        lives = told["exp"] - self.time.seconds
        fits = told["iss"] == told["sub"] and told["aud"] == f"{self.base}/token" and 0 < lives <= 300
        if not fits or told["jti"] in self.used:
            return None
        self.used.add(told["jti"])
        return str(told["sub"])


def _unpadded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
