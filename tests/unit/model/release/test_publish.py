"""A release is immutable, published once, and only with the approvals that its profile asks for."""

import json
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from model.artifact import files
from model.errors import GateError, UserError
from model.evaluation.run import EVALUATION_FILE, evaluate
from model.release.publish import release
from model.release.signing import LocalSigner
from model.release.verify import verify
from model.scoring.latest_discharge import latest
from tests.support.model.gates_world import ANSWERS, APPROVED, ETHICS, OFFICER, prepared, published
from tests.support.model.model_world import evaluated, world
from tests.support.model.release_world import contents, released

pytestmark = pytest.mark.process


def test_the_same_content_again_changes_nothing(tmp_path: Path) -> None:
    first = released(tmp_path)
    before = contents(first.place)
    second = released(tmp_path)
    assert first.changed
    assert not second.changed
    assert first.digest == second.digest
    assert contents(first.place) == before
    assert Path(first.place).name == first.digest[:12]


def test_another_version_lies_beside_it(tmp_path: Path) -> None:
    first, second = released(tmp_path), released(tmp_path, "v2")
    assert first.place != second.place
    assert verify(first.place).version == "v1"
    assert verify(second.place).model == "readmission-risk-v2"
    assert verify(second.place).holds


def test_a_release_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    first = released(tmp_path)
    whole = contents(first.place)
    Path(first.place, files.SIGNATURE_FILE).unlink()
    Path(first.place, files.CARD_FILE).unlink()
    with pytest.raises(UserError):
        verify(first.place)
    assert released(tmp_path).changed
    assert contents(first.place) == whole


def test_a_refused_model_is_not_released(tmp_path: Path) -> None:
    shutil.copytree(world().run, tmp_path / "run")
    found = evaluate(tmp_path / "run").written()
    found["gates"] = [{"name": "discrimination", "passed": False, "value": 0.5, "demand": "at least 0.6"}]
    (tmp_path / "run" / EVALUATION_FILE).write_text(json.dumps(found))
    with pytest.raises(GateError, match=r"discrimination is 0\.5"):
        release(tmp_path / "run", version="v1", to=str(tmp_path / "m"), signer=LocalSigner(tmp_path / "key"))
    assert not (tmp_path / "m").exists()


def test_bad_arguments_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="like v1"):
        released(tmp_path, "one")
    with pytest.raises(UserError, match="both --approve"):
        release(world().run, version="v1", to=str(tmp_path), signer=LocalSigner(tmp_path / "k"), approved_by="dr")
    with pytest.raises(UserError, match="is not a release"):
        verify(str(tmp_path))
    with pytest.raises(UserError, match="no discharge of patient"):
        latest(str(world().features), "nobody")


@pytest.mark.parametrize(
    ("ethics", "message"),
    [
        ({"ethics_approved_by": "ethics-committee:R. Roe"}, "both --ethics-approve"),
        ({"ethics_approved_by": "ethics-committee:R. Roe", "ethics_reason": " "}, "both --ethics-approve"),
        ({"ethics_reason": "EC-2026-014"}, "both --ethics-approve"),
        ({"ethics_approved_by": "R. Roe", "ethics_reason": "EC-2026-014"}, "must be ROLE:NAME"),
    ],
)
def test_an_ethics_approval_is_whole(tmp_path: Path, ethics: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        release(world().run, version="v1", to=str(tmp_path), signer=LocalSigner(tmp_path / "k"), **ethics)


def test_a_clinical_release_needs_a_named_role_and_a_complete_card(tmp_path: Path) -> None:
    run = prepared(tmp_path)
    with pytest.raises(GateError, match="approval is absent"):
        published(tmp_path, run, answers=ANSWERS)
    with pytest.raises(GateError, match="approval is by a janitor"):
        published(tmp_path, run, answers=ANSWERS, approved_by="janitor:J. Smith", reason="looks fine")
    with pytest.raises(UserError, match="ROLE:NAME"):
        published(tmp_path, run, answers=ANSWERS, approved_by="J. Smith", reason="looks fine")
    with pytest.raises(GateError, match="ethics approval is absent"):
        published(tmp_path, run, answers=ANSWERS, approved_by=OFFICER, reason="reviewed")
    with pytest.raises(GateError, match="ethics approval is by a janitor"):
        published(tmp_path, run, **APPROVED | {"ethics_approved_by": "janitor:R. Roe"})
    with pytest.raises(GateError, match=r"without an answer to developer \(1\.i\), funding \(1\.ii\)"):
        published(tmp_path, run, approved_by=OFFICER, reason="reviewed", **ETHICS)
    assert not (tmp_path / "models").exists()
    done = published(tmp_path, run, **APPROVED)
    card = contents(done.place)[files.CARD_FILE].decode()
    assert "must not be used for patients" not in card
    assert "| 1.i | Name and contact of the developer | Ward informatics" in card
    assert verify(done.place).approved_by == OFFICER


def test_an_evaluation_of_another_pipeline_is_refused(tmp_path: Path) -> None:
    run = prepared(tmp_path)
    evaluation = json.loads((run / EVALUATION_FILE).read_text())
    (run / EVALUATION_FILE).write_text(json.dumps(evaluation | {"pipeline_sha256": "0" * 64}))
    with pytest.raises(UserError, match="of another pipeline"):
        published(tmp_path, run)


def test_a_version_that_was_approved_is_taken_and_a_candidate_s_is_not(tmp_path: Path) -> None:
    run = prepared(tmp_path)
    approval = {name: value for name, value in APPROVED.items() if name != "reason"}
    first = published(tmp_path, run, reason="reviewed", **approval)
    assert not published(tmp_path, run, reason="reviewed", **approval).changed
    with pytest.raises(GateError, match=f"v1 is taken: {first.release} was approved"):
        published(tmp_path, run, reason="reviewed twice", **approval)
    assert published(tmp_path, run, "v2", reason="reviewed twice", **approval).changed
    candidate = released(tmp_path)
    assert candidate.version == "v1"
    assert candidate.place != first.place


KILLED = """
import os, signal, sys
from pathlib import Path
from model.io import storage
from model.release.publish import release
from model.release.signing import LocalSigner
run, to, key, writes = sys.argv[1:]
left, create = int(writes), storage.create
def dying(place, content):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    create(place, content)
storage.create = dying
release(Path(run), version="v1", to=to, signer=LocalSigner(Path(key)))
"""


def test_a_killed_release_is_none_and_the_next_run_finishes_it(tmp_path: Path) -> None:
    whole = released(tmp_path)
    expected, total = contents(whole.place), len(contents(whole.place))
    for writes in (1, total // 2, total - 1):
        to = tmp_path / f"after-{writes}"
        command = [sys.executable, "-c", KILLED, *map(str, (world().run, to, tmp_path / "key", writes))]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        place = to / "v1" / Path(whole.place).name
        assert len(contents(str(place))) == writes
        with pytest.raises(UserError):
            verify(str(place))
        done = release(world().run, version="v1", to=str(to), signer=LocalSigner(tmp_path / "key"))
        assert done.changed
        assert contents(str(place)) == expected


def test_two_releases_at_once_are_one(tmp_path: Path) -> None:
    LocalSigner(tmp_path / "key")
    evaluated()
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: released(tmp_path), range(4)))
    assert len({one.place for one in done}) == 1
    assert verify(done[0].place).holds


def test_a_release_by_another_key_is_not_taken_for_this_one(tmp_path: Path) -> None:
    released(tmp_path)
    with pytest.raises(UserError, match="not trusted"):
        release(world().run, version="v1", to=str(tmp_path / "models"), signer=LocalSigner(tmp_path / "other"))
