"""The program's own stacks as graphs: the resources that it registers with mocks, with dependencies and options."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime.proto import analyzer_pb2 as proto

from policy_pack.stack import wire
from policy_pack.stack.graph import Graph
from tests.support.mocked_stack import declare, settings

ROOT_TYPE = "pulumi:pulumi:Stack"
Change = Callable[[dict[str, Any]], None]


def requests(stack: str, root: Path, change: Change | None = None) -> list[proto.AnalyzerResource]:
    """Return the resources of a stack as the engine would send them after the update."""
    found: list[proto.AnalyzerResource] = []
    providers: dict[str, proto.AnalyzerResource] = {}
    register: Callable[..., Any] = pulumi_mocks.MockMonitor.RegisterResource

    def record(self: pulumi_mocks.MockMonitor, request: Any) -> Any:
        made = register(self, request)
        resource = _resource(request, made)
        providers[made.urn] = resource
        by = providers.get(request.provider.rpartition("::")[0])
        if by is not None:
            resource.provider.properties.CopyFrom(by.properties)
        # Only the first program of a process registers its root.
        if request.type != ROOT_TYPE:
            found.append(resource)
        return made

    with mock.patch.object(pulumi_mocks.MockMonitor, "RegisterResource", record):
        declare(settings(stack, root, change))
    if not found:
        raise AssertionError("nothing was registered")
    return found


def _resource(request: Any, made: Any) -> proto.AnalyzerResource:
    resource = proto.AnalyzerResource(
        type=request.type, urn=made.urn, name=request.name, parent=request.parent, dependencies=request.dependencies
    )
    resource.properties.CopyFrom(made.object if made.HasField("object") else request.object)
    resource.options.protect = request.protect
    for name, given in request.propertyDependencies.items():
        resource.propertyDependencies[name].urns.extend(given.urns)
    return resource


def graph(stack: str, root: Path, change: Change | None = None) -> Graph:
    """Return a stack's graph."""
    return wire.graph(requests(stack, root, change), stack)
