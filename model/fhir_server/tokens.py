"""Access tokens: SMART Backend Services or client secret, renewed before expiry and once after a 401."""

import contextlib
import json
import re
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

from model.errors import UserError
from model.fhir.resource_types import ACCEPTED, NEEDED
from model.fhir_server.credentials import Auth, Credentials, SecretMethod
from model.fhir_server.wire import Clock, Wire, origin

# SMART App Launch 2, "Backend Services": an assertion lives five minutes at the most.
ASSERTION_SECONDS = 240
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DISCOVERY = "/.well-known/smart-configuration"
DEFAULT_LIFE = 300.0
_SCOPE = re.compile(r"system/(\*|[A-Za-z]+)\.(?:\*|read|c?ru?d?s?)(?:\?.*)?")
_OAUTH_CODE = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True)
class Grant:
    """An access token and its expiry."""

    token: str
    until: float


class Bearer(httpx.Auth):
    """Bearer authentication: a valid token with each request, renewed once after a 401."""

    def __init__(self, grant: Callable[[], Grant], clock: Clock) -> None:
        self._grant = grant
        self._clock = clock
        self._held: Grant | None = None

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request, and again after a 401."""
        request.headers["Authorization"] = f"Bearer {self._token()}"
        answer = yield request
        if answer.status_code == 401:
            self._held = None
            request.headers["Authorization"] = f"Bearer {self._token()}"
            yield request

    def _token(self) -> str:
        if self._held is None or self._clock.now() >= self._held.until:
            self._held = self._grant()
        return self._held.token


def bearer(wire: Wire, credentials: Credentials) -> Bearer | None:
    """Return what shows our tokens to a server; nothing where it asks for none."""
    if credentials.auth not in (Auth.SMART, Auth.SECRET):
        return None
    return Bearer(_Endpoint(wire, credentials).grant, wire.clock)


class _Endpoint:
    """A server's token endpoint."""

    def __init__(self, wire: Wire, credentials: Credentials) -> None:
        self._wire = wire
        self._credentials = credentials
        self._key = signing_key(credentials) if credentials.auth is Auth.SMART else None
        self._found: tuple[str, str] | None = None

    def grant(self) -> Grant:
        """Ask for a token (RFC 6749, section 4.4)."""
        self._found = self._found or self._discover()
        url, scope = self._found
        credentials = self._credentials
        in_header = credentials.auth is Auth.SECRET and credentials.method is SecretMethod.BASIC
        began = self._wire.clock.now()
        answer = self._wire.form(
            url,
            "the token request",
            # An assertion is good for one attempt.
            lambda: {"grant_type": "client_credentials", "scope": scope, **self._proof(url)},
            basic=(credentials.client or "", credentials.secret or "") if in_header else None,
        )
        response = _object(answer)
        token = response.get("access_token")
        if answer.status_code != 200 or not isinstance(token, str):
            raise UserError(_refusal(url, answer.status_code, response))
        if str(response.get("token_type", "bearer")).lower() != "bearer":
            raise UserError(
                f"The token endpoint on {origin(url)} issued a token that is not a bearer token; "
                "ask the hospital to correct it."
            )
        if lost := sorted(set(self._wire.kinds) & readable(scope) - readable(str(response.get("scope") or scope))):
            verb = "rs" if ".rs" in scope else "read"
            missing = ", ".join(f"system/{kind}.{verb}" for kind in lost)
            raise UserError(
                f"The token endpoint on {origin(url)} did not grant the scope {missing}; "
                "ask the hospital to grant it to the client."
            )
        life = response.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) and life > 0 else DEFAULT_LIFE
        # A request that is sent now must still be valid when it arrives.
        return Grant(token, began + seconds - min(60.0, seconds / 5))

    def _discover(self) -> tuple[str, str]:
        """Return the token endpoint and what to ask for, as the server publishes them unless the credentials say."""
        credentials = self._credentials
        configuration: Mapping[str, Any] = {}
        if not (credentials.token_url and credentials.scope):
            configuration = self._published()
        url = credentials.token_url or configuration.get("token_endpoint")
        if not isinstance(url, str):
            raise UserError(
                f"The FHIR server {origin(self._wire.base)} does not publish a token endpoint; "
                "add token_url to the credentials."
            )
        algorithms = configuration.get("token_endpoint_auth_signing_alg_values_supported")
        if self._key and isinstance(algorithms, list) and _algorithm(self._key) not in algorithms:
            raise UserError(
                f"The FHIR server {origin(self._wire.base)} does not accept {_algorithm(self._key)} signatures; "
                "register a key of the other kind (RS384: RSA, ES384: EC P-384)."
            )
        # SMART 2 reads with .rs; a server that does not say it can takes the words of SMART 1.
        verb = "rs" if "permission-v2" in (configuration.get("capabilities") or ()) else "read"
        return urljoin(f"{self._wire.base}/", url), credentials.scope or " ".join(
            f"system/{kind}.{verb}" for kind in NEEDED
        )

    def _published(self) -> Mapping[str, Any]:
        wire = self._wire
        missing = frozenset({401, 403, 404, 410})
        # No token yet: the address is public.
        held, wire.bearer = wire.bearer, None
        try:
            headers = {"Accept": "application/json"}
            answer = wire.ask(
                "GET", f"{wire.base}{DISCOVERY}", "its SMART configuration", headers=headers, accepted=missing
            )
        finally:
            wire.bearer = held
        return _object(answer) if answer.status_code == 200 else {}

    def _proof(self, url: str) -> dict[str, str]:
        credentials = self._credentials
        client, secret = credentials.client or "", credentials.secret or ""
        if self._key:
            signed = assertion(self._key, client, credentials.kid, url, self._wire.clock)
            return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
        return {"client_id": client, "client_secret": secret} if credentials.method is SecretMethod.POST else {}


def readable(scope: str) -> set[str]:
    """Return the needed types that a scope lets us read, in the words of SMART 1 or 2.

    Examples
    --------
    >>> sorted(readable("system/Patient.rs system/Condition.read system/Observation.c"))
    ['Condition', 'Patient']
    """
    matches = (_SCOPE.fullmatch(word) for word in scope.split())
    named = {match[1] for match in matches if match}
    return set(ACCEPTED) if "*" in named else named & set(ACCEPTED)


def signing_key(credentials: Credentials) -> RSAKey | ECKey:
    """Return the private key of Backend Services; its kind says the algorithm, RS384 or ES384.

    Raises
    ------
    UserError
        When it is neither an RSA key of 2048 bits or more nor an EC key on P-384, or not private.
    """
    unpacked = _unpacked(credentials.key)
    for kind in ("RSA", "EC"):
        try:
            key = import_key(unpacked, None) if isinstance(unpacked, dict) else import_key(unpacked or "", kind)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        fits = isinstance(key, RSAKey) and key.raw_value.key_size >= 2048
        fits = fits or (isinstance(key, ECKey) and key.curve_name == "P-384")
        if fits and isinstance(key, RSAKey | ECKey) and key.is_private:
            return key
    raise UserError(
        "The key of the credentials cannot sign; give a private RSA key (2048 bits) or EC P-384, PEM or JWK."
    )


def _unpacked(key: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    """Return a JWK that was written as text, which is all that some secret stores hold, as the object that it is."""
    if isinstance(key, str) and key.lstrip().startswith("{"):
        with contextlib.suppress(ValueError):
            return dict(json.loads(key))
    return key


def assertion(key: RSAKey | ECKey, client: str, kid: str | None, url: str, clock: Clock) -> str:
    """Return a signed statement of who we are, good for one use at one token endpoint (RFC 7523)."""
    named = kid or key.kid or key.thumbprint()
    now = int(clock.now())
    claims = {
        "iss": client,
        "sub": client,
        "aud": url,
        "jti": str(uuid.uuid4()),
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
    }
    algorithm = _algorithm(key)
    return jwt.encode({"alg": algorithm, "kid": named, "typ": "JWT"}, claims, key, algorithms=[algorithm])


def _algorithm(key: RSAKey | ECKey) -> str:
    return "RS384" if isinstance(key, RSAKey) else "ES384"


def _object(answer: httpx.Response) -> dict[str, object]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _refusal(url: str, status: int, response: Mapping[str, object]) -> str:
    code = str(response.get("error", ""))
    named = f" ({code})" if _OAUTH_CODE.fullmatch(code) else ""
    fix = {
        "invalid_scope": "ask the hospital to grant the client system read scopes, or set scope to those it has",
        "invalid_client": "check the client id, its registered key or secret, and this machine's clock",
    }.get(code, "check the client's registration")
    return f"The token endpoint on {origin(url)} answered {status}{named}; {fix}."
