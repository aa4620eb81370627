"""The stack of two hospitals, with a home and a file of its own."""

from pathlib import Path

import pytest

from local.paths import Home
from local.stack import settings
from local.stack.stack import Stack
from tests.support.stack.file_stack import CONTENT


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(CONTENT)
    monkeypatch.setattr(settings, "CONFIG", path)
    return path


@pytest.fixture
def stack(tmp_path: Path, config: Path) -> Stack:
    home = Home(tmp_path / "home")
    home.pulumi.mkdir(parents=True)
    return Stack(home, config=config)
