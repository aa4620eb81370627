"""The gate that a described workflow asks for releases of a class."""

from pathlib import Path

import pytest

from model.errors import GateError, UserError
from model.gates import refuse
from model.release.workflows import RELEASE_CLASS, TABLE, workflow_verdict
from services import workflows


def test_releases_of_the_package_have_a_use() -> None:
    asking = {name for name, row in workflows.table().workflows.items() if row.release == RELEASE_CLASS}
    verdict = workflow_verdict(RELEASE_CLASS)
    assert verdict.passed
    assert set(verdict.found.split(", ")) == asking
    assert workflows.ReleaseClass(RELEASE_CLASS) is workflows.ReleaseClass.TABULAR_RISK


def test_a_release_that_no_workflow_asks_for_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "workflows.yaml"
    path.write_text(TABLE.read_text(encoding="utf-8").replace("tabular-risk", "conversation"), encoding="utf-8")
    with pytest.raises(GateError, match=r"described use is no workflow, not a workflow of workflows\.yaml that asks"):
        refuse("clinical", [workflow_verdict(RELEASE_CLASS, path)])


@pytest.mark.parametrize(
    ("text", "says"), [(None, "does not exist"), ("a: [", "is not a table"), ("workflows: {a: {}}", "is not a table")]
)
def test_what_is_not_a_table_is_one_sentence(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "workflows.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=says):
        workflow_verdict(RELEASE_CLASS, path)
