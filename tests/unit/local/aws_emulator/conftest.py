"""An AWS emulator with two hospitals, and the object store as a workload of one of them sees it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.aws.aws_emulator_server import Emulator
from tests.support.aws.aws_emulator_world import declare, session


@pytest.fixture(scope="package")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = Emulator(tmp_path_factory.mktemp("emulator"))
    running.start()
    declare(running)
    yield running
    running.kill()


@pytest.fixture
def trainer(emulator: Emulator) -> Any:
    return emulator.client("s3", **session(emulator))
