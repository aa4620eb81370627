"""The model package's command line, called in this process."""

import sys

import pytest

from model.cli.app import main


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run a command and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["python -m model", *words])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)
