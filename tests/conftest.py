"""Settings of all tests, and servers of a whole session."""

import asyncio
import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.databases.postgres import PostgresServer, temporary_server

# Each worker has one core: threads of a numeric library would wait for each other in a loop, and take its time.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# A busy machine is no fault of a test.
settings.register_profile("project", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")
# A program under mocks, or an evaluation of a stack, makes millions of objects: half of its time was collections.
gc.set_threshold(100_000, 50, 100)


def pytest_collection_finish() -> None:
    """Leave what was imported out of later collections of garbage."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Give the main thread an event loop again, which a test before took away: Pulumi's SDK needs one."""
    try:
        asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        asyncio.set_event_loop(asyncio.new_event_loop())


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, which starts with the first test that asks for it."""
    with temporary_server() as made:
        yield made
