"""A hospital's certificates, for the tests of its servers and clients."""

from pathlib import Path

import pytest

from tests.support.identity.mutual_tls import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
