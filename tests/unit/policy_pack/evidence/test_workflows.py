"""Workflows in the evidence: every row of the table, with the routes that serve it."""

from policy_pack.evidence.network.workflows import served_workflows
from policy_pack.facts.workflow_table import workflow_table
from policy_pack.stack.graph import Graph
from policy_pack.stack.values import UNKNOWN
from tests.policy import recorded, world
from tests.policy.builders import STACK, changed

ROUTE = "k8s:gateway.networking.k8s.io/HTTPRoute"


def routes(graph: Graph) -> dict[str, tuple[str, ...]]:
    found = list(served_workflows(graph))
    assert [one.workflow for one in found] == list(workflow_table().workflows.values())
    return {one.workflow.name: one.routes for one in found}


def test_each_workflow_has_the_routes_that_serve_it() -> None:
    found = routes(world.graph())
    assert found["discharge-worklist"] == ("north-platform/model", "south-platform/model")
    assert found["patient-outreach"] == ()


def test_every_workflow_of_the_production_stack_has_a_route() -> None:
    found = routes(recorded.unchanged("prod").graph())
    assert found["discharge-hook"] == ("north-platform/discharge-hook",)
    assert found["discharge-worklist"] == ("north-platform/scores", "north-platform/worklist")
    assert all(found.values())


def test_a_route_whose_paths_are_not_known_serves_nothing() -> None:
    resources = list(world.resources())
    [route] = [one for one in resources if one.kind == ROUTE and one.name.startswith("north")]
    unknown = changed(route, "spec.rules[0].matches", UNKNOWN)
    graph = Graph([unknown if one is route else one for one in resources], STACK)
    assert routes(graph)["discharge-worklist"] == ("south-platform/model",)
