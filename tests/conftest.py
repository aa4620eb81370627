"""Servers of a whole session."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import PostgresServer, temporary_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, which starts with the first test that asks for it."""
    with temporary_server() as made:
        yield made
