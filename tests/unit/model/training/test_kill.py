"""A kill while a run is written leaves the former run or the new one, whole."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from model.artifact.files import PIPELINE_FILE
from model.errors import UserError
from model.training.run import check_folder, read_run, read_test
from tests.support.repository import REPOSITORY

pytestmark = pytest.mark.process

WRITER = """
import hashlib, sys
from pathlib import Path
import numpy as np
from model.dataset.dataset import Dataset
from model.training.run import Run, write_run
n = 50
data = Dataset(("a",), np.ones((n, 1)), np.zeros(n, dtype=np.int64), np.array(["p"] * n), np.zeros(n), None, {},
               np.zeros(n, dtype=bool))
for turn in range(100_000):
    content = str(turn).encode() * 10_000
    run = Run("p", {}, (), ("a",), (), {}, (), "", "", {}, {}, "", "x", {}, {}, "", None, {}, {},
              hashlib.sha256(content).hexdigest(), {})
    write_run(Path(sys.argv[1]), run, pipeline=content, test=data, fit=data)
    print(turn, flush=True)
"""


@pytest.mark.parametrize("turns", [1, 4, 9])
def test_a_kill_leaves_a_whole_run(tmp_path: Path, turns: int) -> None:
    folder = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as writer:
        assert writer.stdout is not None
        for _ in range(turns):
            assert writer.stdout.readline().strip().isdigit()
        writer.kill()
    run = read_run(folder)
    assert hashlib.sha256((folder / PIPELINE_FILE).read_bytes()).hexdigest() == run.pipeline_sha256
    assert len(read_test(folder)) == 50


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text(json.dumps("mine"))
    with pytest.raises(UserError, match="is not the folder of a training run"):
        check_folder(tmp_path)
