"""The software bill of materials of a release."""

import json
from pathlib import Path

import numpy as np
import pytest

from model.artifact import files
from tests.support.model.release_world import contents, released

pytestmark = pytest.mark.process


def test_the_bill_of_materials_names_what_the_pipeline_needs(tmp_path: Path) -> None:
    bill = json.loads(contents(released(tmp_path).place)[files.SBOM_FILE])
    components = {component["name"]: component for component in bill["components"]}
    assert components.keys() >= {"scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl", "python"}
    assert components["numpy"]["version"] == np.__version__
    assert components["numpy"]["purl"] == f"pkg:pypi/numpy@{np.__version__}"
    assert all(component["licenses"] for component in bill["components"])
    assert not bill["metadata"].keys() & {"timestamp", "tools"}
