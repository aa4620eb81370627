"""Run the examples of the docstrings of ``model``'s public names."""

import doctest
from pathlib import Path

import pytest

import model

TO_FEATURES = ["synthesize", "ingest", "build_features", "build_features_as_of", "reidentify"]
TO_SCORES = ["train", "Run", "evaluate", "publish_release", "verify_release", "Scorer"]


def run_examples(folder: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]) -> None:
    """Run the examples one after another in one folder: each uses the files of the former."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    runner = doctest.DocTestRunner()
    report: list[str] = []
    for name in names:
        [test] = doctest.DocTestFinder(recurse=False).find(getattr(model, name), name, globs={})
        assert test.examples, name
        runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
