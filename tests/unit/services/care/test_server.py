"""Care's start: nothing is answered unless the table of workflows describes what care does."""

import pytest

from model.errors import UserError
from services import workflows
from services.care import launch
from services.care.server import USES, serve
from services.care.worklist import web


def test_every_workflow_that_care_records_is_verified_at_its_start() -> None:
    assert {launch.WORKFLOW, web.WORKFLOW} <= set(USES)
    assert workflows.table().workflows[launch.WORKFLOW].purpose == launch.PURPOSE


@pytest.mark.parametrize("name", sorted(USES))
def test_a_workflow_that_is_not_described_ends_the_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = workflows.table()
    rows = {other: row for other, row in table.workflows.items() if other != name}
    monkeypatch.setattr("services.workflows.table", lambda: table.model_copy(update={"workflows": rows}))
    with pytest.raises(UserError, match=f"does not describe the workflow {name}"):
        serve({})


def test_with_all_workflows_the_settings_are_read_next() -> None:
    with pytest.raises(UserError, match="environment variables"):
        serve({})
