"""Requests at once are bounded, those beyond are refused, and each has its time."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from services.at_once import AtOnce


def scope(path: str = "/infer", **headers: str) -> dict[str, Any]:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": path, "headers": sent}


class Client:
    """Keeps what was answered, and counts how often the body was asked for."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.reads = 0
        self.body = asyncio.Event()

    async def receive(self) -> Message:
        self.reads += 1
        await self.body.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])


async def echo(_: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_one_more_than_may_be_is_refused_before_its_body_is_read() -> None:
    async def run() -> None:
        app = AtOnce(echo, most=2, seconds=60, uncounted={"/readyz"})
        held = [Client(), Client()]
        tasks = [asyncio.create_task(app(scope(), client.receive, client.send)) for client in held]
        while not all(client.reads for client in held):
            await asyncio.sleep(0)
        late = Client()
        await app(scope(), late.receive, late.send)
        assert (late.status, late.reads) == (503, 0)
        headers = dict(late.messages[0]["headers"])
        assert (headers[b"connection"], headers[b"retry-after"]) == (b"close", b"1")
        probe = Client()
        probe.body.set()
        await app(scope("/readyz"), probe.receive, probe.send)
        assert probe.status == 200
        for client in held:
            client.body.set()
        await asyncio.gather(*tasks)
        assert [client.status for client in held] == [200, 200]
        free = Client()
        free.body.set()
        await app(scope(), free.receive, free.send)
        assert free.status == 200

    asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "arrives", "kept"),
    [
        ({"content_length": "7000"}, True, True),
        ({"content_length": "7000"}, False, False),
        ({"content_length": "70000"}, True, False),
        ({"content_length": "-1"}, True, False),
        ({"content_length": "9" * 400}, True, False),
        ({"transfer_encoding": "chunked"}, True, False),
        ({"content_length": "7000", "transfer_encoding": "chunked"}, True, False),
        ({}, True, False),
    ],
)
def test_the_connection_of_a_refused_request_stays_if_its_small_body_has_arrived(
    headers: dict[str, str], arrives: bool, kept: bool
) -> None:
    async def run() -> None:
        client = Client()
        if arrives:
            client.body.set()
        await AtOnce(echo, most=0, seconds=60)(scope(**headers), client.receive, client.send)
        assert client.status == 503
        assert (b"connection" not in dict(client.messages[0]["headers"])) is kept
        assert client.reads == (headers == {"content_length": "7000"})

    asyncio.run(run())


def test_a_client_that_goes_away_while_it_is_refused_gets_no_second_use() -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def run() -> None:
        client = Client()
        await AtOnce(echo, most=0, seconds=60)(scope(content_length="7"), gone, client.send)
        assert dict(client.messages[0]["headers"])[b"connection"] == b"close"

    asyncio.run(run())


def test_a_request_that_takes_too_long_is_ended_and_gives_its_place_back() -> None:
    async def run() -> None:
        app = AtOnce(echo, most=1, seconds=0.01)
        slow = Client()
        await app(scope(), slow.receive, slow.send)
        assert (slow.status, slow.reads) == (503, 1)
        free = Client()
        free.body.set()
        await app(scope(), free.receive, free.send)
        assert free.status == 200

    asyncio.run(run())


def test_an_answer_that_began_is_not_begun_again() -> None:
    async def half(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    async def run() -> None:
        client = Client()
        with pytest.raises(TimeoutError):
            await AtOnce(half, most=1, seconds=0.01)(scope(), client.receive, client.send)
        assert len(client.messages) == 1

    asyncio.run(run())


def test_a_fault_gives_the_place_back() -> None:
    async def faulty(_: Scope, __: Receive, ___: Send) -> None:
        raise LookupError

    async def run() -> None:
        app = AtOnce(faulty, most=1, seconds=1)
        for _ in range(3):
            client = Client()
            with pytest.raises(LookupError):
                await app(scope(), client.receive, client.send)

    asyncio.run(run())


def test_what_is_no_request_is_passed_on() -> None:
    kinds: list[str] = []

    async def app(got: Scope, _: Receive, __: Send) -> None:
        kinds.append(got["type"])

    client = Client()
    asyncio.run(AtOnce(app, most=0, seconds=1)({"type": "lifespan"}, client.receive, client.send))
    assert kinds == ["lifespan"]
