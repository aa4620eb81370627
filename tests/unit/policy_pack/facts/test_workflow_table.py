"""The pack reads workflows and routes from the same tables as the program, and compares requests with them."""

from pathlib import Path

import pytest

from policy_pack.errors import PackError
from policy_pack.facts.workflow_table import ROUTES, TABLE, RouteRow, read, sensitivity, workflow_table
from services import workflows
from workloads.serving import routes
from workloads.zones import workload_table


def test_the_workflows_are_those_of_the_services() -> None:
    rows = workflows.table().workflows
    assert workflow_table().workflows.keys() == rows.keys()
    for name, row in rows.items():
        found = workflow_table().workflows[name]
        assert (found.consumer, found.data, found.influence, found.owner) == (
            row.consumer,
            row.data,
            row.influence,
            row.owner,
        )
        assert set(found.evidence) == set(row.evidence)
        assert found.release == (row.release or "")
        assert found.queued == (row.mode is workflows.Mode.QUEUED)


def test_the_routes_are_those_of_the_gateway() -> None:
    declared = routes.table().routes
    assert [row.name for row in workflow_table().routes] == list(declared)
    for row in workflow_table().routes:
        route = declared[row.name]
        assert (row.workflow, row.data) == (route.workflow, route.data)
        assert row.account == (workload_table.row(route.workload).service_account if route.workload else "")
        assert row.requests == {(method, path) for method, paths in route.paths.items() for path in paths}


@pytest.mark.parametrize(
    ("kind", "path", "covered"),
    [
        ("Exact", "/v1/models/boosted/scores", True),
        ("Exact", "/v1/models/readmission-boosted/scores", True),
        ("PathPrefix", "/v1/models/boosted/scores", False),
        ("RegularExpression", "/v1/models/.*/scores", False),
        ("Exact", "/v1/models/boosted", False),
        ("Exact", "/v1/models//scores", False),
        ("Exact", "/v1/models/../scores", False),
        ("Exact", "/v1/models/Boosted/scores", False),
        ("Exact", "/v1/models/boosted/scores/all", False),
        ("Exact", "/v1/models/boosted/feedback", False),
    ],
)
def test_a_route_of_further_models_covers_the_path_of_each(kind: str, path: str, covered: bool) -> None:
    row = workflow_table().route("POST", kind, path)
    assert (row is not None and row.name == "model-scores") == covered


def test_classes_of_data_are_ordered() -> None:
    assert sensitivity("none") < sensitivity("curated") < sensitivity("raw")
    with pytest.raises(ValueError, match="not in tuple"):
        sensitivity("other")


@pytest.mark.parametrize(
    ("method", "kind", "path", "covered"),
    [
        ("GET", "Exact", "/worklist", True),
        ("GET", "PathPrefix", "/list", True),
        ("GET", "Exact", "/list/1", True),
        ("GET", "PathPrefix", "/list/1", True),
        ("GET", "PathPrefix", "/worklist", False),
        ("GET", "PathPrefix", "/listing", False),
        ("GET", "Exact", "/list/../worklist", False),
        ("GET", "RegularExpression", "/list/.*", False),
        ("POST", "Exact", "/worklist", False),
        ("", "Exact", "/worklist", False),
    ],
)
def test_a_match_is_covered_where_all_its_requests_are(method: str, kind: str, path: str, covered: bool) -> None:
    row = RouteRow("worklist", "worklist", "raw", "care", frozenset({("GET", "/worklist"), ("GET", "/list/")}))
    assert row.covers(method, kind, path) is covered


def test_what_is_not_a_table_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="cannot be read"):
        read(tmp_path / "workflows.yaml")
    broken = tmp_path / "workflows.yaml"
    broken.write_text("a: [", encoding="utf-8")
    with pytest.raises(PackError, match="is not YAML"):
        read(broken)
    for old, new in (("owner:", "role:"), ("mode: queued", "mode: later"), ("data: raw", "data: secret")):
        broken.write_text(TABLE.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        with pytest.raises(PackError, match="does not have the form of this file"):
            read(broken)
    other = tmp_path / "routes.yaml"
    other.write_text(ROUTES.read_text(encoding="utf-8").replace("workload: care", "workload: nobody"), encoding="utf-8")
    with pytest.raises(PackError, match="does not have the form of this file"):
        read(TABLE, other)
