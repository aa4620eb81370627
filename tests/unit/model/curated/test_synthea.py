"""A sample of bundles that nobody on this project wrote: all fits, no name leaves, features come out."""

import gzip
import json
import shutil
from pathlib import Path

import pytest

from bench.support.samples import shared
from model.curated.run import ingest
from model.features.build import build
from model.features.feature_file import load
from tests.support.model.model_world import RING
from tests.unit.bench.test_leaks import everything_written

pytestmark = pytest.mark.process

DATA = shared("synthea-r4")
SAMPLE = 55


def test_a_sample_goes_through_and_no_name_leaves(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if not DATA.is_dir():
        pytest.skip(f"the reference data is not at {DATA}")
    picked = sorted(DATA.glob("*.json.gz"))[::10][:SAMPLE]
    (tmp_path / "in").mkdir()
    patients = []
    for path in picked:
        shutil.copy(path, tmp_path / "in" / path.name)
        content = json.loads(gzip.decompress(path.read_bytes()))
        patients += [e["resource"] for e in content["entry"] if e["resource"]["resourceType"] == "Patient"]
    done = ingest(str(tmp_path / "in"), hospital="synthea", out=str(tmp_path / "out"), ring=RING)
    assert "refused" not in done.counts
    assert done.rows["patient"] == len(patients) > 50
    assert done.rows["condition"] > 0
    built = build(str(tmp_path / "out"), out=str(tmp_path / "out" / "features.parquet"))
    table, _ = load(str(tmp_path / "out" / "features.parquet"))
    assert built.discharges == table.num_rows > 0
    written = everything_written(tmp_path / "out").replace(str(tmp_path), "") + "".join(capfd.readouterr())
    told = {name for patient in patients for n in patient["name"] for name in [n["family"], *n["given"]]}
    told |= {i["value"] for patient in patients for i in patient["identifier"]}
    told |= {t["value"] for patient in patients for t in patient["telecom"]}
    told |= {patient["id"] for patient in patients} | {a["line"][0] for p in patients for a in p["address"]}
    assert not {word for word in told if len(word) > 5 and word in written}
