"""However many hospitals a stack has, nothing of one reaches another, and one more is creations of its own alone."""

from typing import Any

import pytest

from infra.settings.names import SHARED
from policy_pack.evidence.report import Report, report
from policy_pack.evidence.state_reader import StackState
from policy_pack.facts.ownership import OwnershipIndex
from policy_pack.settings import load
from policy_pack.stack.external_endpoints import read
from policy_pack.stack.graph import Graph
from tests.policy import recorded
from tests.support.stack.mocked_stack import RELEASE, configuration, like

pytestmark = pytest.mark.process

NAMES = ("north", "south", "east")


def with_hospitals(count: int) -> Any:
    """Return a change of a stack's configuration to so many hospitals like its first."""

    def change(written: dict[str, Any]) -> None:
        first = written["hospitals"][0]
        entries = []
        for number, name in enumerate(NAMES[:count]):
            entry = like(first, name, release=RELEASE)
            if "network" in entry:
                entry["network"] = f"10.50.{number}.0/24"
            entries.append(entry)
        written["hospitals"] = entries

    return change


@pytest.fixture(scope="module", params=["dev", "prod"])
def stack(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def graphs(stack: str, tmp_path_factory: pytest.TempPathFactory) -> list[Graph]:
    """The stack with one hospital, with two, and so on."""
    folder = tmp_path_factory.mktemp(stack)
    return [recorded.graph(stack, folder, with_hospitals(count)) for count in range(1, len(NAMES) + 1)]


@pytest.fixture(scope="module")
def graph(graphs: list[Graph]) -> Graph:
    return graphs[-1]


@pytest.fixture(scope="module")
def evidence(stack: str, graph: Graph) -> Report:
    config = configuration(stack)
    with_hospitals(len(NAMES))(config)
    return report(StackState(graph, {}), load(), read(config))


def test_no_service_account_has_access_to_another_hospital_s_stores(evidence: Report) -> None:
    assert set(evidence.hospitals) - {SHARED} == set(NAMES)
    assert len(evidence.access) > 20 * len(NAMES)
    assert evidence.cross_hospital == ()


def test_no_workload_of_a_hospital_uses_a_key_of_the_platform(evidence: Report) -> None:
    used = {
        evidence.labels[one.store]
        for one in evidence.access
        if ":Key::" in one.store and one.principal.namespace.partition("-")[0] in NAMES
    }
    assert used
    assert [label for label in used if not any(name in label for name in NAMES)] == []


def test_no_connection_from_one_hospital_to_another_is_allowed(evidence: Report) -> None:
    connections = [
        connection for connection in evidence.network.connections if connection.source.partition("-")[0] in NAMES
    ]
    assert len(connections) > 10 * len(NAMES)
    for connection in connections:
        others = set(NAMES) - {connection.source.partition("-")[0]}
        assert connection.target.partition("-")[0] not in others, connection


def test_one_more_hospital_is_creations_of_its_own_alone(graphs: list[Graph], graph: Graph) -> None:
    fewer = {r.urn: r for r in graphs[-2]}
    more = {r.urn: r for r in graph}
    assert fewer.keys() < more.keys()
    assert [urn for urn, resource in fewer.items() if more[urn].props != resource.props] == []
    owners = OwnershipIndex(graph, load())
    added = [more[urn] for urn in more.keys() - fewer.keys()]
    strangers = [r.name for r in added if owners.of(r).hospital not in ("", NAMES[-1])]
    assert strangers == []
    assert [r.urn for r in added if not f"{r.name}-".startswith(f"{NAMES[-1]}-")] == []


def test_resources_grow_by_the_same_number_for_each_hospital(graphs: list[Graph]) -> None:
    sizes = [len(graph) for graph in graphs]
    assert sizes == [sizes[0] + (sizes[1] - sizes[0]) * more for more in range(len(NAMES))]
