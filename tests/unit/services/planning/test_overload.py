"""More requests at once than the service works on: the excess is refused at once, without a record, and it recovers."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.types import Message

from model.artifact.trust import TRUSTED_KEYS
from services.planning.app import REQUESTS_AT_ONCE, create
from services.planning.assembly import planning
from tests.support.serving.planning_world import USE, PlanningWorld

pytestmark = pytest.mark.process


class Caller:
    """Sends the body of its request when a test says so."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.waits, self.go = asyncio.Event(), asyncio.Event()
        self.messages: list[Message] = []

    async def receive(self) -> Message:
        self.waits.set()
        await self.go.wait()
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    def answer(self) -> tuple[int, dict[bytes, bytes]]:
        """Return status and headers."""
        return self.messages[0]["status"], dict(self.messages[0]["headers"])


def scope(path: str, method: str = "POST") -> dict[str, Any]:
    headers = [(b"content-type", b"application/json")] if method == "POST" else []
    shown = {"type": "http", "http_version": "1.1", "scheme": "https", "query_string": b"", "headers": headers}
    return shown | {"method": method, "path": path, "raw_path": path.encode(), "root_path": ""}


def test_the_excess_is_refused_before_its_body_and_the_others_are_answered(
    hospital: PlanningWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRUSTED_KEYS, hospital.key)
    hospital.server.fail("none")
    before = hospital.last()
    body = json.dumps(USE | {"encounters": [hospital.encounter(0)]}).encode()

    async def run() -> None:
        parts = planning(hospital.settings, lambda _: httpx.Client())
        app = create(parts)
        async with app.router.lifespan_context(app):
            held = [Caller(body) for _ in range(REQUESTS_AT_ONCE)]
            tasks = [asyncio.create_task(app(scope("/v1/scores"), one.receive, one.send)) for one in held]
            for one in held:
                await one.waits.wait()
            late, probe = Caller(body), Caller(b"")
            await app(scope("/v1/scores"), late.receive, late.send)
            status, headers = late.answer()
            assert (status, headers[b"retry-after"], late.waits.is_set()) == (503, b"1", False)
            probe.go.set()
            await app(scope("/healthz", "GET"), probe.receive, probe.send)
            assert probe.answer()[0] == 200
            for one in held:
                one.go.set()
            await asyncio.gather(*tasks)
            assert {one.answer()[0] for one in held} == {200}
            again = Caller(body)
            again.go.set()
            await app(scope("/v1/scores"), again.receive, again.send)
            assert again.answer()[0] == 200

    asyncio.run(run())
    # One record for each that was answered, and none for the one that was not.
    assert hospital.last() - before == REQUESTS_AT_ONCE + 1
