"""HAPI FHIR's server for tests: started on loopback with its own TLS, filled, and stopped."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from local.ehr import build
from local.ehr.fill import connect, put_bundle
from local.ehr.launch import App
from tests.support.identity.tls import Authority

START_SECONDS = 600
DATABASE = "jdbc:h2:mem:ehr;DB_CLOSE_DELAY=-1"


@dataclass(frozen=True)
class Ehr:
    """A running server.

    Parameters
    ----------
    base
        Its FHIR base.
    ca
        PEM file of its authority.
    client
        Connections to the base.
    """

    base: str
    ca: Path
    client: httpx.Client

    def load(self, bundle: dict[str, Any]) -> None:
        """Load a transaction as it is."""
        self._done(self.client.post("/", json=bundle))

    def put_bundle(self, path: Path) -> None:
        """Load a transaction under the ids of its resources."""
        put_bundle(self.client, path)

    def put(self, resource: dict[str, Any]) -> None:
        """Store the next version of a resource."""
        self._done(self.client.put(f"/{resource['resourceType']}/{resource['id']}", json=resource))

    def delete(self, kind: str, identity: str) -> None:
        """Delete a resource."""
        self._done(self.client.delete(f"/{kind}/{identity}"))

    def first(self, kind: str, **parameters: str) -> dict[str, Any]:
        """Return the first match of a search."""
        found = self.client.get(f"/{kind}", params={"_count": "1", **parameters}).json()
        resource: dict[str, Any] = found["entry"][0]["resource"]
        return resource

    def count(self, kind: str) -> int:
        """Return how many resources of a type there are."""
        return int(self.client.get(f"/{kind}", params={"_summary": "count"}).json()["total"])

    @staticmethod
    def _done(answer: httpx.Response) -> None:
        assert answer.is_success, json.dumps(answer.json())[:1000]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    built: Path, folder: Path, *, port: int = 0, database: str = DATABASE, app: App | None = None
) -> Iterator[Ehr]:
    """Give a built server that runs, with its log in a folder.

    Parameters
    ----------
    built, folder
        The build, and a folder for certificates and the log.
    port, database
        Its port, and the JDBC URL of its database; by default any port, and a database in memory.
    app
        The SMART app that it launches.
    """
    ca = folder / "ca.crt"
    if not ca.exists():
        authority = Authority()
        authority.issue("ehr").write(folder / "server.crt", folder / "server.key")
        ca.write_bytes(authority.certificate)
    port = port or free_port()
    command = build.command(
        built,
        address="127.0.0.1",
        port=port,
        certificate=folder / "server.crt",
        key=folder / "server.key",
        database=database,
        app=app,
    )
    with (folder / "server.log").open("a") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        base = f"https://127.0.0.1:{port}/fhir"
        try:
            with connect(base, ca) as client:
                _await(process, client, folder / "server.log")
                yield Ehr(base, ca, client)
        finally:
            process.terminate()


def _await(process: subprocess.Popen[bytes], client: httpx.Client, log: Path) -> None:
    """Wait until the server answers, or fail with the end of its log."""

    def ready() -> bool:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            return client.get("/metadata").is_success
        except httpx.TransportError:
            return False

    Retrying(stop=stop_after_delay(START_SECONDS), wait=wait_fixed(1), retry=retry_if_result(lambda up: not up))(ready)
