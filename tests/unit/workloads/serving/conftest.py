"""One hospital's gateway on the real Envoy Gateway and Envoy, for the modules that call it."""

from collections.abc import Iterator

import pytest

from tests.support.gateway.gateway_world import World, world


@pytest.fixture(scope="package")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("gateway")) as running:
        yield running
