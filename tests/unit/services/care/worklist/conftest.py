"""The worklist of one hospital, asked over HTTP."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from tests.support.care.worklist_app import Records, application
from tests.support.care.worklist_world import World
from tests.support.databases.postgres import PostgresServer
from tests.support.identity.sign_in import COORDINATOR, User

TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


@dataclass
class Browser:
    """What one person's browser does, without running scripts."""

    client: TestClient
    world: World
    user: User = COORDINATOR
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.headers.setdefault("Authorization", f"Bearer {self.world.issuer.token(self.user)}")

    def get(self, path: str) -> Response:
        return self.client.get(path, headers=self.headers, follow_redirects=False)

    def token(self, path: str = "/worklist") -> str:
        return str(TOKEN.findall(self.get(path).text)[-1])

    def post(self, path: str, *, token: str | None = None, **fields: str) -> Response:
        """Send a form as a page of this session has it."""
        fields["form_token"] = self.token() if token is None else token
        return self.client.post(path, data=fields, headers=self.headers, follow_redirects=False)

    def act(self, entry: str, action: str, *, token: str | None = None, **fields: str) -> Response:
        return self.post(f"/worklist/entries/{entry}/{action}", token=token, **{"version": "1"} | fields)


@pytest.fixture(scope="package")
def hospital(postgres: PostgresServer) -> Iterator[World]:
    made = World.create(postgres)
    yield made
    made.engine.dispose()


@pytest.fixture
def world(hospital: World) -> World:
    """A hospital whose worklist is empty, with no sessions."""
    hospital.reset()
    return hospital


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def client(world: World, records: Records) -> TestClient:
    return TestClient(application(world, records), base_url="https://worklist.example", raise_server_exceptions=True)


@pytest.fixture
def casey(client: TestClient, world: World) -> Browser:
    return Browser(client, world)
