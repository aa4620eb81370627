"""Candidates: stored once, read whole or not at all, and released without the training folder."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import joblib
import pytest

from model.artifact import files
from model.errors import UserError
from model.evaluation.run import EVALUATION_FILE
from model.release.candidate import LIST_FILE, newest, run_folder, submit
from model.release.publish import release
from model.release.signing import LocalSigner
from model.release.verify import verify
from model.training.run import RUN_FILE
from tests.support.model.model_world import evaluated

pytestmark = pytest.mark.process


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "candidates")
    request.getfixturevalue("store").create_bucket(Bucket="curated")
    return "s3://curated/candidates/"


def test_a_candidate_gives_the_release_of_its_run(place: str, tmp_path: Path) -> None:
    stored = submit(evaluated(), place)
    assert stored.changed
    assert not submit(evaluated(), place).changed
    assert newest(place) == stored.place
    signer = LocalSigner(tmp_path / "key")
    direct = release(evaluated(), version="v1", to=str(tmp_path / "direct"), signer=signer)
    with run_folder(stored.place) as folder:
        assert folder != evaluated()
        by_candidate = release(folder, version="v1", to=str(tmp_path / "promoted"), signer=signer)
    assert by_candidate.digest == direct.digest
    assert verify(by_candidate.place).holds
    assert not folder.exists()


def test_the_newest_of_all_is_the_one_that_ended_last(store: Any) -> None:
    store.create_bucket(Bucket="curated")
    first = submit(evaluated(), "s3://curated/candidates/")
    with run_folder("s3://curated/candidates/") as folder:
        assert (folder / RUN_FILE).read_bytes() == (evaluated() / RUN_FILE).read_bytes()
    # One that was cut short has no list and is none.
    store.put_object(Bucket="curated", Key="candidates/000000000000/run.json", Body=b"{}")
    assert newest("s3://curated/candidates/") == first.place


def test_a_run_folder_is_used_as_it_is() -> None:
    with run_folder(str(evaluated())) as folder:
        assert folder == evaluated()


def test_a_place_without_candidates_is_told(store: Any) -> None:
    store.create_bucket(Bucket="curated")
    with pytest.raises(UserError, match="no candidate at"), run_folder("s3://curated/candidates/"):
        pass


def test_a_run_that_was_not_evaluated_is_no_candidate(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not the folder of a training run"):
        submit(tmp_path, str(tmp_path / "candidates"))


@pytest.mark.parametrize("name", [RUN_FILE, EVALUATION_FILE, files.PIPELINE_FILE])
def test_a_changed_candidate_is_refused(tmp_path: Path, name: str) -> None:
    stored = submit(evaluated(), str(tmp_path / "candidates"))
    target = Path(stored.place, name)
    target.write_bytes(target.read_bytes() + b" ")
    with pytest.raises(UserError, match="was changed"), run_folder(stored.place):
        pass
    Path(stored.place, LIST_FILE).unlink()
    with pytest.raises(UserError, match="written once"):
        submit(evaluated(), str(tmp_path / "candidates"))


def test_a_changed_list_is_refused(tmp_path: Path) -> None:
    stored = submit(evaluated(), str(tmp_path / "candidates"))
    content = {path.name: path.read_bytes() for path in Path(stored.place).iterdir() if path.name != LIST_FILE}
    Path(stored.place, EVALUATION_FILE).write_bytes(b"{}")
    Path(stored.place, LIST_FILE).write_bytes(files.listed(content | {EVALUATION_FILE: b"{}"}))
    with pytest.raises(UserError, match="its digest is another"), run_folder(stored.place):
        pass


class _Runs:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (print, ("code of the training pod",))


def test_promotion_runs_no_code_of_a_candidate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pickle that names other code than estimators is refused before anything of it runs."""
    folder = tmp_path / "run"
    shutil.copytree(evaluated(), folder)
    joblib.dump(_Runs(), folder / files.PIPELINE_FILE)
    digest = hashlib.sha256((folder / files.PIPELINE_FILE).read_bytes()).hexdigest()
    for name in (RUN_FILE, EVALUATION_FILE):
        content = json.loads((folder / name).read_text()) | {"pipeline_sha256": digest}
        (folder / name).write_text(json.dumps(content))
    stored = submit(folder, str(tmp_path / "candidates"))
    with run_folder(stored.place) as copy, pytest.raises(UserError, match="not part of an estimator"):
        release(copy, version="v1", to=str(tmp_path / "models"), signer=LocalSigner(tmp_path / "key"))
    assert "code of the training pod" not in capsys.readouterr().out
