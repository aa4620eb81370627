"""Rendered charts: the committed table belongs to the charts and values that are declared now."""

from pathlib import Path

import pytest
import yaml

from local.tools.catalogue import GO_MODULES
from policy_pack.stack.graph import Resource
from tests.charts import evaluate, table
from tests.charts.render import MODULE, SOURCES, UNAVAILABLE, digest_of_values
from tests.support.stack.mocked_stack import settings
from workloads.platform.charts import Chart
from workloads.platform.charts import table as charts

CHARTS = {chart.name: chart for chart in charts().charts}
AGAIN = "run `make test-charts` again and review its findings"


def test_every_chart_is_rendered_or_named_as_unavailable() -> None:
    assert sorted(CHARTS) == sorted([*table.read(), *UNAVAILABLE])
    assert sorted(SOURCES) == sorted(table.read())


def test_the_table_belongs_to_the_declared_values(tmp_path: Path) -> None:
    declared = settings("prod", tmp_path)
    stale = [
        name
        for name, row in table.read().items()
        if (row.version, row.values) != (CHARTS[name].version, digest_of_values(CHARTS[name], declared))
    ]
    assert stale == [], AGAIN


def test_every_finding_has_a_reason_and_every_reason_a_finding() -> None:
    assert table.not_accepted(table.read()) == [], AGAIN
    assert table.unused(table.read()) == []


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_chart_is_of_the_module_of_its_version(name: str) -> None:
    version = CHARTS[name].version
    pinned = f"{SOURCES[name].module} v{version.removeprefix('v')}\n"
    assert pinned in (MODULE / "go.mod").read_text(encoding="utf-8")
    assert MODULE.parent == GO_MODULES


def test_kserve_makes_no_storage_container_of_its_own() -> None:
    assert "ClusterStorageContainer" not in table.read()["kserve"].objects


def resources(*documents: dict[str, object]) -> list[Resource]:
    chart = Chart("x", "oci://x/x", "v1", "ns", "a test")
    return evaluate.resources(chart, yaml.safe_dump_all([None, *documents]))


def test_objects_are_resources_in_the_namespace_of_the_release() -> None:
    role, pod, other = resources(
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {"containers": [{"image": "b"}, {"image": "a"}]},
        },
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "elsewhere"}},
    )
    assert [one.kind for one in (role, pod)] == ["k8s:rbac.authorization.k8s.io/ClusterRole", "k8s:core/Pod"]
    assert [one.at("metadata.namespace").raw for one in (role, pod, other)] == [None, "ns", "elsewhere"]
    assert evaluate.images([role, pod, other]) == ["a", "b"]
    assert evaluate.kinds([role, pod, other]) == {"ClusterRole": 1, "Pod": 1, "Service": 1}


def test_a_reason_covers_its_control_chart_and_message() -> None:
    finding = table.Finding("INT-05", "has no digest", 2)
    assert table.Accepted("INT-05", "a mirror").covers("x", finding)
    assert table.Accepted("INT-05", "a mirror", chart="y").covers("x", finding) is False
    assert table.Accepted("INT-05", "a mirror", message="other*").covers("x", finding) is False
    assert table.Accepted("CM-01", "a mirror").covers("x", finding) is False
