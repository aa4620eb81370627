"""Workflows: what a release is used for, by whom, what is kept of it, and the routes of gateways that serve it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from policy_pack.facts.exposure.gateway_objects import object_namespace
from policy_pack.facts.workflow_table import Workflow, workflow_table
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.kinds import HTTP_ROUTE
from policy_pack.stack.values import NotKnownError, View


@dataclass(frozen=True)
class ServedWorkflow:
    """A row of ``services/workflows.yaml``, with the routes of the stack whose requests are of the workflow.

    Parameters
    ----------
    workflow
        The row.
    routes
        The HTTPRoutes, by namespace and name.
    """

    workflow: Workflow
    routes: tuple[str, ...]


def served_workflows(graph: Graph) -> Iterator[ServedWorkflow]:
    """Return every workflow, with the routes that serve it."""
    serving = defaultdict(set)
    for route in graph.of(HTTP_ROUTE):
        for name in _workflows_of(route):
            serving[name].add(_label(route, graph))
    for name, workflow in workflow_table().workflows.items():
        yield ServedWorkflow(workflow, tuple(sorted(serving[name])))


def _workflows_of(route: Resource) -> Iterator[str]:
    for match in View(route.props).each("spec.rules[].matches[]"):
        try:
            method, kind = match.at("method").text(), match.at("path.type").text() or "PathPrefix"
            row = workflow_table().route(method, kind, match.at("path.value").text() or "/")
        except NotKnownError:
            continue
        if row is not None:
            yield row.workflow


def _label(route: Resource, graph: Graph) -> str:
    try:
        return f"{object_namespace(route, graph)}/{route.at('metadata.name').text()}"
    except NotKnownError:
        return route.name
