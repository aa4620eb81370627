"""The worklist's application, in the test's own process or behind a port, and the audit records that it would write."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI, Request
from sqlalchemy import Engine

from services.care import worklist
from services.care.worklist.ports import Facts, Launched
from services.care.worklist.tokens import Keys
from services.problems import Application
from tests.support.care.worklist_world import World


class NotRecordedError(Exception):
    """The audit store does not take the record."""


@dataclass
class Records:
    """Audit records in memory, and a switch that makes them fail."""

    failing: bool = False
    kept: list[tuple[Facts, int]] = field(default_factory=list)

    def __call__(self, request: Request, facts: Facts, status: int) -> None:
        if self.failing:
            raise NotRecordedError
        self.kept.append((facts, status))


@dataclass
class Tickets:
    """Launches from the EHR in memory; each opens once."""

    launched: dict[str, Launched] = field(default_factory=dict)

    def opened(self, ticket: str) -> Launched | None:
        return self.launched.pop(ticket, None)


def application(
    world: World, records: Records, *, launches: Tickets | None = None, database: Engine | None = None
) -> FastAPI:
    """Return an application with the worklist of a hospital."""
    app = Application(redirect_slashes=False)
    router = worklist.router(
        world.settings,
        database or world.engine,
        world.identities,
        world.planning,
        records,
        launches=launches,
        keys=Keys(lambda: world.issuer.jwks),
    )
    app.include_router(router)
    return app


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an application on a free port of loopback, and give its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        ready = threading.Event()

        class _Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                ready.set()

        server = _Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
        thread.start()
        assert ready.wait(30), "the application did not start"
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(30)
