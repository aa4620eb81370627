"""The table of workflows: complete rows, and no use of a release that it does not describe."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.workflows import (
    TABLE,
    Influence,
    Mode,
    Purpose,
    ReleaseClass,
    WorkflowError,
    described,
    read,
    synchronous,
    table,
    verify_uses,
)

ROW: dict[str, Any] = {
    "consumer": "coordinators",
    "data": "curated",
    "influence": "advises-clinician",
    "mode": "synchronous",
    "purpose": "TREAT",
    "evidence": ["request", "release"],
    "release": "tabular-risk",
    "owner": "care-coordination",
}


def written(path: Path, row: Any, name: str = "worklist") -> Path:
    file = path / "workflows.yaml"
    file.write_text(yaml.safe_dump({"workflows": {name: row}}), encoding="utf-8")
    return file


def test_each_first_workflow_says_what_it_is_for() -> None:
    found = table().workflows
    assert {"discharge-hook", "discharge-worklist", "feedback"} <= found.keys()
    assert {name for name, row in found.items() if row.mode is Mode.QUEUED} == {"note-extraction", "patient-outreach"}
    assert found["discharge-hook"].release is ReleaseClass.TABULAR_RISK


def test_a_row_is_read(tmp_path: Path) -> None:
    workflows = read(written(tmp_path, ROW))
    assert described("worklist", workflows).owner == "care-coordination"
    assert synchronous("worklist", workflows).release is ReleaseClass.TABULAR_RISK


@pytest.mark.parametrize("field", ROW)
def test_each_field_is_required(field: str, tmp_path: Path) -> None:
    row = {key: value for key, value in ROW.items() if key != field}
    with pytest.raises(WorkflowError, match=f"workflows.worklist.{field}: Field required"):
        read(written(tmp_path, row))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"data": "secret"}, "worklist.data"),
        ({"influence": "decides"}, "worklist.influence"),
        ({"mode": "later"}, "worklist.mode"),
        ({"purpose": "PUBLISH"}, "worklist.purpose"),
        ({"evidence": []}, "worklist.evidence"),
        ({"evidence": ["release"]}, "each request is recorded"),
        ({"evidence": ["request"]}, "evidence has release exactly where"),
        ({"release": None}, "evidence has release exactly where"),
        ({"release": None, "evidence": ["request"]}, "an influence on care needs the class of release"),
        ({"release": "oracle"}, "worklist.release"),
        ({"owner": ""}, "worklist.owner"),
        ({"consumer": ""}, "worklist.consumer"),
        ({"approved": True}, "Extra inputs are not permitted"),
    ],
)
def test_a_row_that_is_wrong_is_refused(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match=says):
        read(written(tmp_path, ROW | change))


def test_a_name_that_could_hide_something_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match="correct the file"):
        read(written(tmp_path, ROW, "worklist/../x"))


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match="does not exist"):
        read(tmp_path / "none.yaml")
    for text, says in (("a: [", "is not YAML"), ("", "correct the file"), ("workflows: {}", "workflows")):
        (tmp_path / "broken.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(WorkflowError, match=says):
            read(tmp_path / "broken.yaml")


def test_an_undescribed_workflow_is_refused_without_its_name() -> None:
    with pytest.raises(WorkflowError) as refused:
        described("MRN 1234567")
    assert "1234567" not in str(refused.value)


def test_a_queued_workflow_is_not_answered_at_once() -> None:
    assert described("note-extraction").mode is Mode.QUEUED
    with pytest.raises(WorkflowError, match="is queued"):
        synchronous("note-extraction")


def test_the_file_explains_each_of_its_fields() -> None:
    comments = "".join(line for line in TABLE.read_text(encoding="utf-8").splitlines(keepends=True) if line[0:1] == "#")
    assert [field for field in ROW if f"# {field} " not in comments] == []


def test_a_service_starts_with_the_workflows_that_it_answers() -> None:
    verify_uses({"discharge-hook": Influence.ADVISES_CLINICIAN, "feedback": Influence.NONE}, Purpose.TREATMENT)


@pytest.mark.parametrize(
    ("name", "influence", "purpose", "says"),
    [
        ("research", Influence.NONE, "TREAT", "does not describe the workflow research"),
        ("note-extraction", Influence.EXTRACTS_FIELD, "TREAT", "as queued, extracts-field, TREAT"),
        ("feedback", Influence.ADVISES_CLINICIAN, "TREAT", "as synchronous, none, TREAT, and this service"),
        ("feedback", Influence.NONE, "HRESCH", "answers it as synchronous, none, HRESCH"),
    ],
)
def test_a_use_that_the_table_describes_otherwise_is_refused(
    name: str, influence: Influence, purpose: str, says: str
) -> None:
    with pytest.raises(WorkflowError, match=says):
        verify_uses({name: influence}, purpose)
