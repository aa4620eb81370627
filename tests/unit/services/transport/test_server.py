"""A mutual TLS server on a real socket: who gets in, and what a rotation does to requests in progress."""

import asyncio
import gc
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography.x509.oid import ExtendedKeyUsageOID
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from services import probe
from services.transport import ServerSettings, SpiffeId, TlsFiles, client, serve, server
from services.transport import callers as callers_module
from services.transport.client import IDLE_SECONDS
from services.transport.server import CLOSING_SECONDS, KEEP_ALIVE_SECONDS
from tests.support.identity.workload_certificates import HOUR, WorkloadAuthority, files
from tests.support.identity.workload_certificates import replace as replace_file

pytestmark = pytest.mark.process

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


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_allowed_caller_reaches_the_application_with_its_identity(world: World) -> None:
    with running(world.settings) as url, client(url, SERVER, world.caller_files) as connection:
        answers = [connection.get("/x", headers={"X-Forwarded-For": "10.9.9.9"}) for _ in range(3)]
    assert [answer.json()["peer"] for answer in answers] == [str(CALLER)] * 3
    assert answers[0].json()["client"][0] == "127.0.0.1"
    assert "server" not in answers[0].headers


def test_another_workload_of_the_hospital_is_refused_with_a_problem(world: World) -> None:
    with running(world.settings) as url:
        answer = world.get(url, world.issued("other", str(OTHER)))
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.json()["status"] == 403


@pytest.mark.parametrize(
    "uris",
    [
        ("spiffe://hmlops/south/care",),
        ("spiffe://elsewhere/north/care",),
        (str(CALLER), str(OTHER)),
        (str(CALLER) + "/x",),
    ],
    ids=["other hospital", "other trust domain", "two identities", "longer path"],
)
def test_other_identities_are_refused(world: World, uris: tuple[str, ...]) -> None:
    mine = files(world.folder / "stranger")
    world.authority.issue(mine, *uris)
    with running(world.settings) as url:
        assert _bare_status(url, _context(mine)) == 403


def test_a_caller_that_is_not_allowed_may_be_answered_by_the_service(world: World) -> None:
    async def teapot(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"0"), (b"x-peer", scope["tls_peer"].encode())]
        await send({"type": "http.response.start", "status": 418, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    with running(world.settings, refusal=teapot) as url:
        answer = world.get(url, world.issued("other", str(OTHER)))
    assert (answer.status_code, answer.headers["x-peer"]) == (418, str(OTHER))


@pytest.mark.parametrize("case", ["expired", "other authority", "server only", "no certificate", "TLS 1.2"])
def test_without_a_valid_certificate_there_is_no_connection(world: World, case: str) -> None:
    mine = world.caller_files
    if case == "expired":
        mine = world.issued("expired", str(CALLER), life=timedelta(minutes=-5))
    elif case == "other authority":
        mine = world.issued("forged", str(CALLER), authority=WorkloadAuthority())
    elif case == "server only":
        mine = world.issued("server-only", str(CALLER), usages=(ExtendedKeyUsageOID.SERVER_AUTH,))
    context = _context(mine, certificate=case != "no certificate")
    if case == "TLS 1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with running(world.settings) as url, pytest.raises(OSError, match=r"(?i)alert|certificate|reset|closed|protocol"):
        _bare_status(url, context)


def test_plain_http_is_refused(world: World) -> None:
    with running(world.settings) as url:
        address = url.removeprefix("https://")
        with pytest.raises((OSError, http.client.HTTPException)):
            _plain_status(address)
        with pytest.raises(ValueError, match="is not https"):
            client(f"http://{address}", SERVER, world.caller_files)


@pytest.mark.parametrize("uri", [str(OTHER), "spiffe://hmlops/south/planner"])
def test_a_client_sends_nothing_to_another_server(world: World, uri: str) -> None:
    seen: list[str] = []

    async def record(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append(scope["path"])
        await echo(scope, receive, send)

    mine = files(world.folder / "imposter")
    world.authority.issue(mine, uri)
    with running(ServerSettings((CALLER,), mine), record) as url, pytest.raises(httpx.ConnectError, match=uri):
        world.get(url, world.caller_files)
    assert seen == []


def test_a_client_trusts_its_own_authority_alone(world: World) -> None:
    mine = files(world.folder / "imposter")
    WorkloadAuthority().issue(mine, str(SERVER))
    with running(ServerSettings((CALLER,), mine)) as url, pytest.raises(httpx.ConnectError, match="verify failed"):
        world.get(url, world.caller_files)


def test_a_revoked_certificate_is_refused_from_the_next_connection(tmp_path: Path) -> None:
    world = World(tmp_path, revocations=True)
    assert world.server_files.revocations
    mine = world.issued("revoked", str(CALLER))
    serial = world.authority.issue(mine, str(CALLER))
    with running(world.settings) as url, client(url, SERVER, mine) as connection:
        assert connection.get("/x").status_code == 200
        world.authority.revoke(world.server_files.revocations, serial)
        # The open connection is answered once more and closed.
        assert connection.get("/x").headers["connection"] == "close"
        with pytest.raises(httpx.TransportError):
            connection.get("/x")
        assert world.get(url, world.caller_files).status_code == 200


def test_another_authority_applies_from_the_next_connection(world: World) -> None:
    successor = WorkloadAuthority("successor")
    with running(world.settings) as url:
        assert world.get(url, world.caller_files).status_code == 200
        successor.issue(world.server_files, str(SERVER))
        with pytest.raises(httpx.TransportError):
            world.get(url, world.caller_files)
        with pytest.raises(OSError, match=r"(?i)alert|reset|closed"):
            _bare_status(url, _context(world.caller_files, trust=successor))
        mine = files(world.folder / "new")
        successor.issue(mine, str(CALLER))
        assert world.get(url, mine).status_code == 200


def test_no_request_fails_while_both_certificates_rotate(world: World) -> None:
    rotations, workers, done = 12, 4, threading.Event()
    served: list[int] = []

    def load(connection: httpx.Client) -> int:
        count = 0
        while not done.is_set():
            assert connection.get("/x").json()["peer"] == str(CALLER)
            count += 1
            served.append(1)
        return count

    def wait_for(count: int) -> None:
        wait = Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.01), retry=retry_if_result(lambda ok: not ok))
        wait(lambda: len(served) >= count or any(task.done() for task in tasks))

    serials = set()
    with (
        running(world.settings) as url,
        client(url, SERVER, world.caller_files) as connection,
        ThreadPoolExecutor(workers) as pool,
    ):
        tasks = [pool.submit(load, connection) for _ in range(workers)]
        for _ in range(rotations):
            wait_for(len(served) + 20)
            world.authority.issue(world.server_files, str(SERVER))
            world.authority.issue(world.caller_files, str(CALLER))
            serials.add(_serial(url, world.caller_files))
        wait_for(len(served) + 20)
        done.set()
        counts = [task.result() for task in tasks]
    assert len(serials) == rotations
    assert sum(counts) >= 20 * (rotations + 1)


def test_old_connections_are_closed_by_age(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(world.settings) as url, client(url, SERVER, world.caller_files) as connection:
        assert "connection" not in connection.get("/x").headers
        monkeypatch.setattr(callers_module, "CONNECTION_SECONDS", 0.0)
        assert connection.get("/x").headers["connection"] == "close"
        assert connection.get("/x").status_code == 200


def test_a_server_that_stops_lets_its_callers_close_their_connections(world: World) -> None:
    settings = replace(world.settings, closing_seconds=3600)
    with started(settings) as one, client(one.url, SERVER, world.caller_files) as connection:
        assert "connection" not in connection.get("/x").headers
        one.stop()
        eventually(lambda: connection.get("/x").headers.get("connection") == "close")
        # Nobody is connected any more, so it does not wait for the rest of its time.
        one.thread.join(20)
        assert not one.thread.is_alive()


def test_a_request_in_progress_is_answered_on_a_connection_that_then_ends(world: World) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            arrived.set()
            await asyncio.to_thread(go_on.wait, 20)
        await echo(scope, receive, send)

    settings = replace(world.settings, closing_seconds=0)
    with started(settings, slow) as one, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(world.get, one.url, world.caller_files)
        assert arrived.wait(20)
        one.stop()
        eventually(lambda: not one.server.servers[0].is_serving())
        go_on.set()
        assert answer.result().status_code == 200
        assert answer.result().headers["connection"] == "close"


def test_a_connection_that_nobody_uses_ends_with_its_server(world: World) -> None:
    settings = replace(world.settings, closing_seconds=0)
    with started(settings) as one, client(one.url, SERVER, world.caller_files) as connection:
        assert connection.get("/x").status_code == 200
        one.stop()
        one.thread.join(20)
        assert not one.thread.is_alive()


def test_clients_give_up_idle_connections_before_a_server_that_stops_closes_them() -> None:
    assert IDLE_SECONDS < CLOSING_SECONDS < KEEP_ALIVE_SECONDS


def test_a_connection_whose_certificate_has_expired_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(world.settings) as url, client(url, SERVER, world.caller_files) as connection:
        assert connection.get("/x").status_code == 200
        later = time.time() + 2 * HOUR.total_seconds()
        monkeypatch.setattr(time, "time", lambda: later)
        assert connection.get("/x").status_code == 403


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/readyz", 200), ("/v1/scores", 403)])
def test_the_own_identity_may_ask_for_health_alone(
    world: World, path: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _probe_environment(monkeypatch, world.server_files)
    with running(world.settings) as url:
        assert probe.status(url + path) == status
        assert probe.main([url + path]) == (0 if status == 200 else 1)


def test_the_probe_fails_without_a_server(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _probe_environment(monkeypatch, world.server_files)
    assert probe.main(["https://127.0.0.1:9/healthz"]) == 1


def test_the_settings_are_read_from_the_environment() -> None:
    environment = {"TLS_CALLERS": "spiffe://hmlops/north/care, spiffe://hmlops/north/trainer", "TLS_PORT": "9443"}
    assert ServerSettings.from_environment(environment) == ServerSettings((CALLER, OTHER), port=9443)
    assert ServerSettings.from_environment({}).callers == ()
    with pytest.raises(ValueError, match="not a workload's identity"):
        ServerSettings.from_environment({"TLS_CALLERS": "care"})


def _probe_environment(monkeypatch: pytest.MonkeyPatch, mine: TlsFiles) -> None:
    monkeypatch.setenv("TLS_CA_FILE", str(mine.authority))
    monkeypatch.setenv("TLS_CERTIFICATE_FILE", str(mine.certificate))
    monkeypatch.setenv("TLS_KEY_FILE", str(mine.key))


def _context(mine: TlsFiles, *, certificate: bool = True, trust: WorkloadAuthority | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=(trust.certificate if trust else mine.authority.read_bytes()).decode())
    if certificate:
        context.load_cert_chain(mine.certificate, mine.key)
    return context


def _ask(address: str, connect: Callable[[socket.socket], socket.socket]) -> int:
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as plain, connect(plain) as connection:
        connection.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status


def _bare_status(url: str, context: ssl.SSLContext) -> int:
    return _ask(url.removeprefix("https://"), context.wrap_socket)


def _plain_status(address: str) -> int:
    return _ask(address, lambda plain: plain.dup())


def _serial(url: str, mine: TlsFiles) -> str:
    host, _, port = url.removeprefix("https://").partition(":")
    with (
        socket.create_connection((host, int(port)), timeout=10) as plain,
        _context(mine).wrap_socket(plain) as connection,
    ):
        return str((connection.getpeercert() or {})["serialNumber"])


def test_what_lives_as_long_as_the_service_is_not_scanned_for_garbage(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen: list[int] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda _: frozen.append(gc.get_freeze_count()))
    before = gc.get_freeze_count()
    try:
        serve(echo, world.settings)
    finally:
        gc.unfreeze()
    assert frozen[0] > before
