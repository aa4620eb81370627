"""A hospital with a canary: a second release, with a model server of its own whose faults a test chooses."""

from collections.abc import Iterator

import pytest

from tests.support.databases.postgres import PostgresServer
from tests.support.serving.canary_world import CanaryWorld, canary_server, canary_world
from tests.support.serving.model_servers import FaultyServer
from tests.support.serving.planning_world import PlanningWorld


@pytest.fixture(scope="session")
def second_release(
    hospital: PlanningWorld, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, FaultyServer]]:
    with canary_server(hospital, tmp_path_factory.mktemp("canary")) as served:
        yield served


# A stop is for good, so each test has databases of its own.
@pytest.fixture
def world(
    hospital: PlanningWorld, second_release: tuple[str, FaultyServer], postgres: PostgresServer
) -> Iterator[CanaryWorld]:
    place, server = second_release
    hospital.server.fail("none")
    server.fail("none")
    yield canary_world(hospital, place, server, postgres)
    server.fail("none")
