"""Settings of all tests, and servers of a whole session."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.databases.postgres import PostgresServer, temporary_server

# A busy machine is no fault of a test.
settings.register_profile("project", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")
# A program under mocks, or an evaluation of a stack, makes millions of objects: half of its time was collections.
gc.set_threshold(100_000, 50, 100)


def pytest_collection_finish() -> None:
    """Leave what was imported out of later collections of garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, which starts with the first test that asks for it."""
    with temporary_server() as made:
        yield made
