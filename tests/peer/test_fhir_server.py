"""Ingestion from HAPI FHIR: search and export give the same tables, and an increment brings what changed."""

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from local.ehr import build
from local.errors import UserError
from local.paths import REPOSITORY
from tests.peer.fhir_server import Ehr, running

PATIENTS = 6
SYNTHEA = REPOSITORY.parent / "shared" / "data" / "synthea-r4"
SYNTHEA_BUNDLES = 3
LARGEST_BUNDLE = 30_000
TABLES = ("patient", "encounter", "condition", "observation", "medication_request")
TYPES = ("Patient", "Encounter", "Condition", "Observation", "MedicationRequest")
LINEAGE = {"source", "source_sha256", "ingest_run"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def figure(name: str, value: object) -> None:
    sys.stdout.write(f"  {name}: {value}\n")
    sys.stdout.flush()


@pytest.fixture(scope="module")
def ehr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ehr]:
    folder = tmp_path_factory.mktemp("ehr")
    began = time.monotonic()
    try:
        built = build.build(lambda step: figure("step", step))
    except UserError as missing:
        pytest.skip(str(missing))
    with running(built, folder) as server:
        figure("built and answering after", f"{time.monotonic() - began:.0f} s")
        began = time.monotonic()
        population = folder / "population"
        model("synthesize", "--patients", str(PATIENTS), "--seed", "7", "--out", str(population))
        for path in sorted(population.iterdir()):
            server.put_bundle(path)
        for bundle in synthea():
            server.load(bundle)
        figure("loaded", f"{ {kind: server.count(kind) for kind in TYPES} } in {time.monotonic() - began:.0f} s")
        yield server


def synthea() -> list[dict[str, Any]]:
    """Return some small bundles of Synthea after those that they refer to; none where the data set is absent."""
    sizes = sorted((path.stat().st_size, path) for path in SYNTHEA.glob("*_*.json.gz"))
    few = [path for size, path in sizes if size > LARGEST_BUNDLE // 2][:SYNTHEA_BUNDLES]
    before = sorted(SYNTHEA.glob("hospitalInformation*")) + sorted(SYNTHEA.glob("practitionerInformation*"))
    return [json.loads(gzip.decompress(path.read_bytes())) for path in (*before, *few)]


def model(*words: str, code: int = 0) -> str:
    """Run a command of the model package and return what it said."""
    command = [sys.executable, "-m", "model", *words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr[-2000:]
    return done.stdout if code == 0 else done.stderr


def ingest(ehr: Ehr, folder: Path, mode: str, *words: str, code: int = 0) -> str:
    out, key = str(folder / mode / "curated"), str(folder / "key")
    shared = ("--hospital", "north", "--out", out, "--key-file", key, "--ca", str(ehr.ca), "--auth", "none")
    began = time.monotonic()
    said = model("ingest", ehr.base, *shared, "--mode", mode, *words, code=code)
    figure(f"ingest by {mode}", f"{time.monotonic() - began:.0f} s")
    return said


def rows(folder: Path, mode: str, table: str) -> list[str]:
    [file] = (folder / mode / "curated" / "hospital=north" / table).glob("*.parquet")
    read: list[dict[str, Any]] = pq.read_table(file, partitioning=None).to_pylist()
    return sorted(str({name: value for name, value in row.items() if name not in LINEAGE}) for row in read)


def test_a_real_server_is_ingested_by_either_way_and_by_increments(ehr: Ehr, tmp_path: Path) -> None:
    held = {kind: ehr.count(kind) for kind in TYPES}
    searched = json.loads(ingest(ehr, tmp_path, "search", "--json"))
    exported = json.loads(ingest(ehr, tmp_path, "export", "--json"))
    for done in (searched, exported):
        assert done["landed"]["resources"] == held
        assert done["landed"]["errors"] == 0
    assert {name: rows(tmp_path, "search", name) for name in TABLES} == {
        name: rows(tmp_path, "export", name) for name in TABLES
    }

    corrected = ehr.first("Observation", code="http://loinc.org|2160-0")
    corrected["valueQuantity"]["value"] = 7.75
    ehr.put(corrected)
    gone = ehr.first("Condition")
    ehr.delete("Condition", gone["id"])
    before = rows(tmp_path, "export", "observation")
    increment = json.loads(ingest(ehr, tmp_path, "export", "--json"))
    figure("increment", increment["landed"]["resources"])
    assert increment["landed"]["since"] == exported["landed"]["until"]
    assert increment["landed"]["resources"] == {kind: int(kind == "Observation") for kind in TYPES}
    assert increment["landed"]["deletions_found"].startswith("not listed by the server; found at the next full run on ")
    after = rows(tmp_path, "export", "observation")
    assert len(set(after) - set(before)) == len(set(before) - set(after)) == 1
    assert increment["rows"]["condition"] == exported["rows"]["condition"]

    # By search everything again is quick, and shows what is gone.
    whole = json.loads(ingest(ehr, tmp_path, "search", "--full-days", "0", "--json"))
    assert whole["landed"]["resources"] == {kind: count - (kind == "Condition") for kind, count in held.items()}
    assert rows(tmp_path, "search", "observation") == after


def test_an_unknown_group_is_named(ehr: Ehr, tmp_path: Path) -> None:
    said = ingest(ehr, tmp_path, "export", "--group", "no-such-group", code=2)
    assert "check --group: there is no Group no-such-group" in " ".join(said.split())
