"""The public names of ``model``: documented by examples that run, and imported on first use only."""

import doctest
import subprocess
import sys
from pathlib import Path

import pytest

import model

FIRST = ["synthesize", "ingest", "build_features", "build_features_as_of", "reidentify"]
REST = ["train", "evaluate", "publish_release", "verify_release", "Scorer"]
HEAVY = ("duckdb", "ibis", "fhir", "model.fhir", "model.curated", "httpx", "mlflow")


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


def test_the_examples_up_to_the_features_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_examples(tmp_path, monkeypatch, FIRST)


@pytest.mark.slow
def test_all_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_examples(tmp_path, monkeypatch, [*FIRST, *REST])


@pytest.mark.parametrize("name", model.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    public = getattr(model, name)
    assert public.__doc__
    assert name in dir(model)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'predict'"):
        _ = model.predict


def test_the_server_loads_the_scoring_package_only() -> None:
    code = f"import sys, model, model.scoring; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
