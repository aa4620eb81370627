"""What the user may give as a source of bundles."""

from pathlib import Path

import pytest

from local.errors import UserError
from local.hospitals import pipeline
from local.hospitals.pipeline import Landing, bundles, code_digest
from local.stack import jobs
from local.stack.jobs import Run


def test_bundles_are_found_in_every_form(tmp_path: Path) -> None:
    names = ["a.json", "b.json.gz", "deep/c.ndjson", "deep/d.ndjson.gz", "notes.txt"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert [path.name for path in bundles(tmp_path)] == ["a.json", "b.json.gz", "c.ndjson", "d.ndjson.gz"]


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist: set FHIR="):
        bundles(tmp_path / "absent")


def test_a_folder_without_fhir_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no FHIR files"):
        bundles(tmp_path)


def test_a_run_is_known_by_the_code_that_made_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.py").write_text("one")
    (tmp_path / "b.yaml").write_text("two")
    before = code_digest(tmp_path)
    (tmp_path / "deep" / "a.pyc").write_text("compiled")
    assert code_digest(tmp_path) == before
    (tmp_path / "deep" / "a.py").write_text("other")
    assert code_digest(tmp_path) != before


def test_a_migration_runs_the_job_of_databases_again_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("model", "services/database"):
        (tmp_path / package).mkdir(parents=True)
    runs: list[Run] = []
    monkeypatch.setattr(pipeline, "REPOSITORY", tmp_path)
    monkeypatch.setattr(jobs, "ensure", lambda _, run, **__: runs.append(run))
    pipeline.refresh(None, Landing("north", "landed", fresh=False), print)
    before = {run.cronjob: run.name for run in runs}
    (tmp_path / "services" / "database" / "0002.py").write_text("a migration")
    pipeline.refresh(None, Landing("north", "landed", fresh=False), print)
    after = {run.cronjob: run.name for run in runs[len(before) :]}
    assert {name for name in before if before[name] != after[name]} == {"database"}
