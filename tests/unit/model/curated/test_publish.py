"""What is published is whole, whatever becomes of the run that writes it."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from model.curated import curated_tables
from model.curated.ingested import Ingested
from model.curated.run import ingest
from model.io import storage
from tests.support.model.model_world import RING
from tests.support.repository import REPOSITORY

pytestmark = pytest.mark.process

# Runs an ingest that kills itself, as a power cut would, at one of the writes of publishing.
DIES = """
import os, signal, sys
from datetime import date
from pathlib import Path
from model.io import local_files
from model.deid.keys import LocalKeyring
from model.curated.run import ingest

source, out, name, dies_at = sys.argv[1:]
real, calls = getattr(Path, name), 0

def counted(self, *rest, **more):
    global calls
    if local_files.HALF in self.name or name == "unlink":
        if out in str(self):
            calls += 1
        if calls == int(dies_at):
            os.kill(os.getpid(), signal.SIGKILL)
    return real(self, *rest, **more)

setattr(Path, name, counted)
ingest(source, hospital="north", out=out, ring=LocalKeyring(bytes(range(32))))
"""


def write(folder: Path, gender: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a.json").write_text(json.dumps({"resourceType": "Patient", "id": "p1", "gender": gender}))
    return folder


def run(source: Path, out: Path) -> Ingested:
    return ingest(str(source), hospital="north", out=str(out), ring=RING)


def manifest_of(out: Path) -> curated_tables.Manifest:
    found = curated_tables.read_manifest(str(out / "hospital=north"))
    assert found is not None
    return found


def assert_only_whole_files(out: Path) -> None:
    named = {table["file"] for table in manifest_of(out).tables.values()}
    partition = out / "hospital=north"
    found = {str(path.relative_to(partition)) for path in partition.rglob("*") if path.is_file()}
    assert found == named | {curated_tables.MANIFEST, storage.LOCK}


@pytest.mark.parametrize(("name", "dies_at"), [("replace", 1), ("replace", 4), ("replace", 6), ("chmod", 5)])
def test_a_kill_leaves_the_old_output_and_the_next_run_tidies(tmp_path: Path, name: str, dies_at: int) -> None:
    out = tmp_path / "out"
    run(write(tmp_path / "in", "male"), out)
    before = manifest_of(out)
    write(tmp_path / "in", "female")
    command = [sys.executable, "-c", DIES, str(tmp_path / "in"), str(out), name, str(dies_at)]
    died = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert manifest_of(out) == before
    assert len(curated_tables.download(str(out), tmp_path / "down")) == 1
    done = run(tmp_path / "in", out)
    assert done.changed
    assert manifest_of(out) != before
    assert_only_whole_files(out)


def test_a_kill_after_the_manifest_leaves_the_new_output(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(write(tmp_path / "in", "male"), out)
    before = manifest_of(out)
    write(tmp_path / "in", "female")
    # Every half file is unlinked in vain once it has its name; the seventh unlink is of a file that was replaced.
    command = [sys.executable, "-c", DIES, str(tmp_path / "in"), str(out), "unlink", "7"]
    assert subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert manifest_of(out) != before
    assert len(curated_tables.download(str(out), tmp_path / "down")) == 1
    assert not run(tmp_path / "in", out).changed
    assert_only_whole_files(out)


def test_runs_at_once_end_with_one_whole_output(tmp_path: Path) -> None:
    out = tmp_path / "out"
    sources = [write(tmp_path / f"in{number}", gender) for number, gender in enumerate(("male", "female", "other"))]
    threads = [threading.Thread(target=run, args=(source, out)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(curated_tables.download(str(out), tmp_path / "down")) == 1
    assert_only_whole_files(out)


def test_a_table_that_was_damaged_is_made_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(write(tmp_path / "in", "male"), out)
    table = next(out.rglob("patient/*.parquet"))
    content = table.read_bytes()
    table.write_bytes(b"damaged")
    assert run(tmp_path / "in", out).changed
    assert table.read_bytes() == content
