"""A mutual TLS server on a real socket, with the certificates of a hospital's workloads."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from services.transport import ServerSettings, SpiffeId, TlsFiles, client, server
from tests.support.identity.workload_certificates import WorkloadAuthority, files
from tests.support.identity.workload_certificates import replace as replace_file

SERVER, CALLER, OTHER = SpiffeId("north", "planner"), SpiffeId("north", "care"), SpiffeId("north", "trainer")


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the caller that the application sees."""
    if scope["type"] != "http":
        return
    body = json.dumps({"peer": scope["tls_peer"], "path": scope["path"], "client": scope["client"]}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until a condition is met."""
    Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.02), retry=retry_if_result(lambda met: not met))(condition)


@dataclass
class Running:
    """A server on a free port, in a thread of its own."""

    server: uvicorn.Server
    listening: socket.socket
    thread: threading.Thread

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.listening.getsockname()[1]}"

    def stop(self) -> None:
        """Tell it to stop, as the end of its pod does."""
        self.server.should_exit = True


@contextmanager
def started(settings: ServerSettings, app: Any = echo, refusal: Any = None) -> Iterator[Running]:
    """Run a server."""
    listening = socket.create_server(("127.0.0.1", 0))
    own = server(app, settings, refusal)
    thread = threading.Thread(target=own.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    eventually(lambda: own.started)
    running_server = Running(own, listening, thread)
    try:
        yield running_server
    finally:
        running_server.stop()
        thread.join(20)
        listening.close()


@contextmanager
def running(settings: ServerSettings, app: Any = echo, refusal: Any = None) -> Iterator[str]:
    """Run a server, and give its URL."""
    with started(settings, app, refusal) as one:
        yield one.url


class World:
    """A hospital's authority, with the certificates of a server and of a caller."""

    def __init__(self, folder: Path, *, revocations: bool = False) -> None:
        self.folder, self.authority = folder, WorkloadAuthority()
        self.server_files = files(folder / "server", revocations=revocations)
        if self.server_files.revocations:
            self.authority.revoke(self.server_files.revocations)
        self.authority.issue(self.server_files, str(SERVER))
        self.caller_files = self.issued("caller", str(CALLER))

    def issued(self, name: str, *uris: str, authority: WorkloadAuthority | None = None, **options: Any) -> TlsFiles:
        """Return the files of another certificate; it trusts this hospital's authority."""
        mine = files(self.folder / name)
        (authority or self.authority).issue(mine, *uris, **options)
        replace_file(mine.authority, self.authority.certificate)
        return mine

    @property
    def settings(self) -> ServerSettings:
        return ServerSettings((CALLER,), self.server_files)

    def get(self, url: str, mine: TlsFiles, server_id: SpiffeId = SERVER, path: str = "/x") -> httpx.Response:
        with client(url, server_id, mine) as connection:
            return connection.get(path)


def tls_context(mine: TlsFiles, *, certificate: bool = True, trust: WorkloadAuthority | None = None) -> ssl.SSLContext:
    """Return the TLS context of a caller with these files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=(trust.certificate if trust else mine.authority.read_bytes()).decode())
    if certificate:
        context.load_cert_chain(mine.certificate, mine.key)
    return context


def ask(address: str, connect: Callable[[socket.socket], socket.socket]) -> int:
    """Return the status of a request on a connection that is made in this way."""
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as plain, connect(plain) as connection:
        connection.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status


def status_of(url: str, context: ssl.SSLContext) -> int:
    """Return the status of a request over TLS with this context."""
    return ask(url.removeprefix("https://"), context.wrap_socket)


def status_over_http(address: str) -> int:
    """Return the status of a request without TLS."""
    return ask(address, lambda plain: plain.dup())


def serial_number(url: str, mine: TlsFiles) -> str:
    """Return the serial number of the certificate that a new connection gets."""
    host, _, port = url.removeprefix("https://").partition(":")
    with (
        socket.create_connection((host, int(port)), timeout=10) as plain,
        tls_context(mine).wrap_socket(plain) as connection,
    ):
        return str((connection.getpeercert() or {})["serialNumber"])
