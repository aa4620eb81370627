"""One hospital's gateway on the real Envoy Gateway and Envoy, for the modules that call it."""

from collections.abc import Iterator

import pytest

from tests.support.gateway.gateway_world import World, world


# Of a module and not of the package: a machine has one at a time, for which another worker waits.
@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("gateway")) as running:
        yield running
