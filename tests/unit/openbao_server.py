"""The embedded environment's own OpenBao on loopback, in a home of the test's own."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hvac

from local import openbao
from local.paths import REPOSITORY, Home
from tests.unit.tls import self_signed


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
