"""Callers of the live gateways: the demonstration's EHRs and programs, with their own tokens or spoiled ones."""

import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

from local.hospitals.application import Application
from local.hospitals.discharge import PATH, request
from local.hospitals.ehr_client import EhrClient
from local.hospitals.gateway_call import send
from local.hospitals.patient_record import choose, prefetch
from local.hospitals.pipeline import bundles
from local.hospitals.population import source
from local.hospitals.program_client import ISSUER, ProgramClient
from local.keycloak import keys, programs
from local.paths import Home, machine_url, worklist_url
from local.stack.stack import Stack

DISCOVERY, SCORES, NOTES, FEEDBACK = "/cds-services", "/v1/scores", "/v1/notes", f"{PATH}/feedback"
AUDIENCE = "readmission-risk"
TIMEOUT = 30.0
NOBODY = {"encounter": "v1-4bf8edc5c7e17", "patient": "v1-9fcc3d79bb669"}
REFUSED = httpx.TransportError
"""What a client sees of a refused handshake or of a connection that is closed without an answer."""


@dataclass(frozen=True)
class Callers:
    """Those who call the gateway of one hospital.

    Parameters
    ----------
    home, hospital
        The environment, and the hospital.
    """

    home: Home
    hospital: str

    @property
    def ehr(self) -> EhrClient:
        """The demonstration's EHR."""
        return EhrClient(self.home, self.hospital)

    @property
    def program(self) -> ProgramClient:
        """The hospital's program."""
        return ProgramClient(self.home, self.hospital, f"{self.hospital}-program")

    def certified(self, name: str, folder: Path) -> Application:
        """Return an application with a new certificate."""
        return Application(self.home, self.hospital, name, folder)

    def url(self, path: str) -> str:
        """Return the address of a path for programs."""
        return f"{machine_url(self.hospital)}{path}"

    def hook_token(self, path: str = DISCOVERY, *, seconds: int = 120, **changed: Any) -> str:
        """Return a token of the EHR for a path, or with other claims."""
        claims = {"iss": self.ehr.issuer, "aud": self.url(path), **changed}
        return self.ehr.application.sign(claims, seconds)

    def access_token(self, **changed: Any) -> str:
        """Return a token that the programs' realm signed, with claims that it would not give."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "client_id": self.program.name,
            "scope": "readmission.scores",
            "iat": now,
            "exp": now + 300,
            **changed,
        }
        key = RSAKey.import_key(keys.signing_key(self.home, programs.REALM))
        return jwt.encode({"alg": "RS256"}, claims, key, algorithms=["RS256"])

    def send(
        self, method: str, path: str, token: str, tls: ssl.SSLContext | None = None, **options: Any
    ) -> httpx.Response:
        """Call the gateway with the EHR's certificate, or with another."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", {})
        return send(method, self.url(path), tls or self.ehr.tls(), TIMEOUT, headers=headers, **options)

    def discover(self, token: str, tls: ssl.SSLContext | None = None) -> httpx.Response:
        """Ask for the hooks, which the EHR may with a token for this address."""
        return self.send("GET", DISCOVERY, token, tls)

    def score(
        self, token: str, tls: ssl.SSLContext | None = None, wanted: Mapping[str, str] = NOBODY, **options: Any
    ) -> httpx.Response:
        """Ask for a score of an encounter; by default of one that nobody has."""
        body = {"workflow": "discharge-worklist", "purpose": "TREAT", "encounters": [dict(wanted)]}
        return self.send("POST", SCORES, token, tls or self.program.tls(), json=body, **options)

    def hook(self, token: str) -> httpx.Response:
        """Call the hook for a patient of the population."""
        [entry] = [one for one in Stack(self.home).working() if one["name"] == self.hospital]
        files = bundles(source(self.home, entry))
        stay = choose(files)
        return self.send("POST", PATH, token, json=request(stay, {"prefetch": prefetch(files, stay)}))

    def browse(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call as a browser without a session and without a certificate."""
        return send(method, f"{worklist_url(self.hospital)}{path}", self.trusting(), TIMEOUT, **options)

    def trusting(self) -> ssl.SSLContext:
        """Return the TLS settings of a client without a certificate, which trusts the gateway."""
        context = self.ehr.tls()
        bare = ssl.create_default_context()
        bare.load_verify_locations(cadata="".join(ssl.DER_cert_to_PEM_cert(one) for one in context.get_ca_certs(True)))
        return bare


def logged(lines: str) -> list[dict[str, Any]]:
    """Return the lines of a gateway's access log."""
    return [json.loads(line) for line in lines.splitlines() if line.startswith("{") and '"answer"' in line]
