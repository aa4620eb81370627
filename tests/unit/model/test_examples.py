"""The public names of ``model``: documented by examples that run, and imported on first use only."""

import subprocess
import sys
from pathlib import Path

import pytest

import model
from tests.support.model.examples import TO_FEATURES, run_examples

pytestmark = pytest.mark.process

HEAVY = ("duckdb", "ibis", "fhir", "model.fhir", "model.curated", "httpx", "mlflow")


def test_the_examples_up_to_the_features_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_examples(tmp_path, monkeypatch, TO_FEATURES)


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
