"""The embedded environment's own Keycloak on loopback, and a browser that signs in through its forms."""

import base64
import hashlib
import os
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from local.keycloak import admin, server
from local.keycloak.realm import CALLBACK, RealmSettings
from local.keycloak.staff import Person
from local.paths import Home
from tests.support.identity.tls import self_signed

START_SECONDS = 240
STEP_SECONDS = 30


def home_with_certificates(folder: Path) -> Home:
    """Return a home with certificates only."""
    home = Home(folder / "home")
    pair = self_signed("keycloak")
    pair.write(home.pki / "keycloak.crt", home.pki / "keycloak.key")
    (home.pki / "ca.crt").write_bytes(pair.certificate)
    return home


def free_url() -> str:
    """Return an address on loopback whose port is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"https://127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def running(home: Home, built: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server, which is killed at the end."""
    server.prepare(home, built, url)
    home.logs.mkdir(exist_ok=True)
    with (home.logs / "keycloak.log").open("ab") as log:
        process = subprocess.Popen(server.command(home, built), cwd="/", stdout=log, stderr=log, env=dict(os.environ))
    try:
        admin.wait(url, home.pki / "ca.crt", START_SECONDS)
        yield process
    finally:
        process.kill()
        process.wait()


@dataclass
class Browser:
    """A browser with its cookies, which fills in the forms of the sign-in."""

    url: str
    settings: RealmSettings
    authority: Path
    client: httpx.Client = field(init=False)
    verifier: str = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(verify=admin.trusting(self.authority), follow_redirects=False, timeout=60)
        self.verifier = secrets.token_urlsafe(48)

    @property
    def issuer(self) -> str:
        return f"{self.url}/realms/{self.settings.hospital}"

    @property
    def callback(self) -> str:
        return f"{self.settings.worklist}{CALLBACK}"

    def open(self, **changed: str | None) -> httpx.Response:
        """Ask for a code, as the gateway redirects the browser to do."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        asked = {
            "client_id": self.settings.client,
            "response_type": "code",
            "scope": "openid",
            "redirect_uri": self.callback,
            "state": "state-of-the-gateway",
            "nonce": "nonce-of-the-gateway",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **changed,
        }
        parameters = {name: value for name, value in asked.items() if value is not None}
        return self.client.get(f"{self.issuer}/protocol/openid-connect/auth", params=parameters)

    def fill(self, page: httpx.Response, **fields: str) -> httpx.Response:
        """Send the form of a page."""
        action = re.search(r'<form[^>]*\saction="([^"]+)"', page.text)
        assert action, f"no form in an answer {page.status_code}"
        return self.client.post(unescape(action[1]), data=fields)

    def password(self, person: Person, password: str | None = None) -> httpx.Response:
        """Open the sign-in page and give username and password."""
        return self.fill(self.open(), username=person.username, password=password or person.password)

    def sign_in(self, person: Person, code: str | None = None) -> httpx.Response:
        """Sign in with both factors."""
        page = self.password(person)
        return self.fill(page, otp=code or person.code())

    def code(self, answer: httpx.Response) -> str | None:
        """Return the code of a redirection to the gateway; None where the person was not signed in."""
        place = answer.headers.get("location", "")
        if not place.startswith(self.callback):
            return None
        codes = parse_qs(urlsplit(place).query).get("code", [])
        return codes[0] if codes else None

    def message(self, page: httpx.Response) -> str:
        """Return what a page says is wrong."""
        errors = re.findall(r'id="input-error[^"]*"[^>]*>\s*(.*?)\s*<', page.text, re.S)
        return f"{page.status_code}: {'; '.join(errors)}"

    def redeem(self, code: str | None, **changed: str | None) -> httpx.Response:
        """Exchange a code for tokens, as the gateway does."""
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.callback,
            "client_id": self.settings.client,
            # Envoy sends a value, which a provider ignores for a public client.
            "client_secret": "none",
            "code_verifier": self.verifier,
            **changed,
        }
        data = {name: value for name, value in asked.items() if value is not None}
        return self.client.post(f"{self.issuer}/protocol/openid-connect/token", data=data)

    def claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a token whose signature is one of the realm's keys."""
        keys = self.client.get(f"{self.issuer}/protocol/openid-connect/certs").json()
        signing = KeySet([RSAKey.import_key(key) for key in keys["keys"] if key["use"] == "sig"])
        return dict(jwt.decode(token, signing, algorithms=["RS256"]).claims)

    def access_claims(self, answer: httpx.Response) -> dict[str, Any]:
        """Return the claims of the access token for the code of an answer."""
        return self.claims(self.redeem(self.code(answer)).json()["access_token"])


def next_code(person: Person) -> str:
    """Return the one-time password of the next period, which the server accepts too."""
    return person.code(int(time.time()) + STEP_SECONDS)
