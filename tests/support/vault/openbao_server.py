"""The embedded environment's own OpenBao on loopback, in a home of the test's own."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac

from local.cluster import openbao
from local.paths import REPOSITORY, Home
from local.plugins.provider.common import EngineLog, Props, Read, Request
from local.plugins.vault_provider import VaultProvider
from tests.support.identity.tls import self_signed


def home_with_certificates(folder: Path) -> Home:
    """Return a home with certificates only."""
    made = Home(folder / "home")
    pair = self_signed("openbao")
    pair.write(made.pki / "openbao.crt", made.pki / "openbao.key")
    (made.pki / "ca.crt").write_bytes(pair.certificate)
    return made


def free_url() -> str:
    """Return an address whose port, and the next, are free."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return f"https://127.0.0.1:{port}"


@contextmanager
def server(home: Home, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server, which is killed at the end."""
    home.logs.mkdir(exist_ok=True)
    with (home.logs / "openbao.log").open("ab") as log:
        process = subprocess.Popen([*openbao.command(home), url], cwd=REPOSITORY, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def client(home: Home, url: str, token: str) -> hvac.Client:
    """Return a client that trusts the home's authority."""
    return hvac.Client(url=url, token=token, verify=str(home.pki / "ca.crt"))


@dataclass(frozen=True)
class World:
    """A running server, the plugin with the operator's token, and a client with the same."""

    home: Home | None
    provider: VaultProvider
    http: hvac.Client

    def request(self, kind: str, inputs: Props, **fields: Any) -> Request:
        urn = f"urn:pulumi:dev::p::{kind}::x"
        checked = self.provider.check(Request(urn, EngineLog("").about(urn), inputs=inputs))
        assert not checked.failures
        return Request(urn, EngineLog("").about(urn), inputs=checked.inputs, **fields)

    def create(self, kind: str, inputs: Props) -> tuple[str, Props]:
        made = self.provider.create(self.request(kind, inputs))
        return made.id, made.state

    def read(self, kind: str, made: str, inputs: Props, state: Props) -> Read:
        known = self.request(kind, inputs).inputs
        return self.provider.read(self.request(kind, inputs, id=made, old_inputs=known, state=state))


@contextmanager
def plugged(folder: Path) -> Iterator[World]:
    """Give a running server with the plugin in front of it."""
    home, url = home_with_certificates(folder), free_url()
    with server(home, url):
        token = openbao.initialise_and_unseal(home, url)
        provider = VaultProvider({})
        provider.configure({"address": url, "token": token, "caCertFile": str(home.pki / "ca.crt")})
        yield World(home, provider, client(home, url, token))
