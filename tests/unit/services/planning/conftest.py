"""The planning service of one hospital, for all its tests."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from tests.support.databases.postgres import PostgresServer
from tests.support.serving.planning_world import PlanningWorld, planning_world, running


@pytest.fixture(scope="session")
def hospital(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlanningWorld]:
    with planning_world(postgres, tmp_path_factory.mktemp("planning")) as made:
        yield made


# The keys that it trusts are in the environment while it runs: tests of other modules must not see them.
@pytest.fixture(scope="module")
def shared_client(hospital: PlanningWorld) -> Iterator[TestClient]:
    with running(hospital) as client:
        yield client


@pytest.fixture
def client(hospital: PlanningWorld, shared_client: TestClient) -> TestClient:
    hospital.server.fail("none")
    return shared_client
