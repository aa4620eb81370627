"""Demonstration program of a hospital: an OAuth client of the gateway's issuer, with a client certificate."""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from local.errors import UserError
from local.hospitals.application import Application
from local.hospitals.gateway_call import send
from local.keycloak.admin import trusting
from local.keycloak.programs import REALM, Program
from local.paths import KEYCLOAK_URL, Home, machine_url
from local.stack.settings import programs_of
from local.stack.stack import Stack

ISSUER = f"{KEYCLOAK_URL}/realms/{REALM}"
_PROOF = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS = 30
_TIMEOUT = 30.0


@dataclass(frozen=True)
class ProgramClient:
    """Program of one hospital.

    Parameters
    ----------
    home, hospital
        The environment, and the hospital.
    name
        One of the ``applications`` of the hospital's entry or of a model in it: client ID, and common name of its
        client certificate.
    """

    home: Home
    hospital: str
    name: str

    @property
    def application(self) -> Application:
        """Its keys."""
        return Application(self.home, self.hospital, self.name, self.home.root / "programs" / self.hospital / self.name)

    def assertion(self, issuer: str = ISSUER) -> str:
        """Return the signed JWT by which it proves itself to the issuer, once (RFC 7523)."""
        return self.application.sign({"iss": self.name, "sub": self.name, "aud": issuer}, _ASSERTION_SECONDS)

    def access_token(self, scope: str, issuer: str = ISSUER) -> str:
        """Return an access token with a scope.

        Raises
        ------
        UserError
            If the issuer does not answer, or refuses.
        """
        grant = {
            "grant_type": "client_credentials",
            "client_id": self.name,
            "client_assertion_type": _PROOF,
            "client_assertion": self.assertion(issuer),
            "scope": scope,
        }
        with httpx.Client(verify=trusting(self.home.pki / "ca.crt"), timeout=_TIMEOUT, trust_env=False) as client:
            try:
                answer = client.post(f"{issuer}/protocol/openid-connect/token", data=grant)
            except httpx.TransportError as fault:
                raise UserError(
                    f"The issuer {issuer} does not answer ({type(fault).__name__}): run `make status`."
                ) from None
        if not answer.is_success:
            raise UserError(
                f"The issuer {issuer} refused a token of scope {scope} to {self.name} ({_reason(answer)}): run "
                "`make up`, which declares it, or ask for a scope of its realm."
            )
        return str(answer.json()["access_token"])

    def tls(self) -> ssl.SSLContext:
        """Return the context of its calls: its certificate, issued if need be, and the gateway's authority.

        Raises
        ------
        UserError
            If Vault does not answer, or does not issue the certificate.
        """
        return self.application.tls()


def programs(home: Home, entries: Iterable[Mapping[str, Any]]) -> tuple[Program, ...]:
    """Return the OAuth clients of hospitals' entries, with their public keys; missing keys are made."""
    keys: dict[str, list[Mapping[str, str]]] = {}
    for entry in entries:
        for name in programs_of(entry):
            client = ProgramClient(home, entry["name"], name)
            keys.setdefault(name, []).append(client.application.public_key())
    return tuple(Program(name, tuple(own)) for name, own in sorted(keys.items()))


def call(home: Home, hospital: str, path: str, scope: str, body: bytes, program: str = "") -> httpx.Response:
    """Send a JSON body through the gateway as a program of a hospital's entry, by default the first one.

    Raises
    ------
    UserError
        If there is no such hospital or program, or the issuer, Vault or the gateway do not answer.
    """
    stack = Stack(home)
    entries = {entry["name"]: entry for entry in stack.working()}
    names = programs_of(entries.get(hospital) or {})
    if not names or not stack.has_gateway:
        having = [name for name, entry in entries.items() if programs_of(entry)]
        raise UserError(f"No program calls a gateway of {hospital or '(none named)'}: name {' or '.join(having)}.")
    if program and program not in names:
        raise UserError(f"{hospital} has no program {program}: name {' or '.join(names)}.")
    client, url = ProgramClient(home, hospital, program or names[0]), f"{machine_url(hospital)}{path}"
    headers = {"Authorization": f"Bearer {client.access_token(scope)}", "Content-Type": "application/json"}
    try:
        return send("POST", url, client.tls(), _TIMEOUT, headers=headers, content=body)
    except httpx.TransportError as fault:
        raise UserError(
            f"The gateway of {hospital} does not answer ({type(fault).__name__}): run `make status`."
        ) from None


def _reason(answer: httpx.Response) -> str:
    try:
        error = answer.json().get("error")
    except (ValueError, AttributeError):
        error = None
    return f"{answer.status_code} {error}" if error else str(answer.status_code)
