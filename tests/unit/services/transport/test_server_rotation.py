"""Certificates that are revoked, rotated or expire, and what happens to open connections."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from services.transport import callers as callers_module
from services.transport import client
from services.transport.client import IDLE_SECONDS
from services.transport.server import CLOSING_SECONDS, KEEP_ALIVE_SECONDS
from tests.support.identity.mutual_tls import (
    CALLER,
    SERVER,
    World,
    echo,
    eventually,
    running,
    serial_number,
    started,
    status_of,
    tls_context,
)
from tests.support.identity.workload_certificates import HOUR, WorkloadAuthority, files

pytestmark = pytest.mark.process


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
            status_of(url, tls_context(world.caller_files, trust=successor))
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
            serials.add(serial_number(url, world.caller_files))
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
