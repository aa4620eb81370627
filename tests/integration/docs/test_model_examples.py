"""The examples of ``model``'s public names, from a synthetic population to a score."""

from pathlib import Path

import pytest

from tests.support.model.examples import TO_FEATURES, TO_SCORES, run_examples

pytestmark = pytest.mark.integration


def test_all_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_examples(tmp_path, monkeypatch, [*TO_FEATURES, *TO_SCORES])
