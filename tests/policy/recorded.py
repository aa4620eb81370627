"""The program's own stacks: what it registers and reads against mocks, dependencies and options included."""

import functools
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from google.protobuf import json_format
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime.proto import analyzer_pb2 as proto

from policy_pack.stack import wire
from policy_pack.stack.graph import Graph
from tests.support.mocked_stack import declare, settings

ROOT_TYPE = "pulumi:pulumi:Stack"
Change = Callable[[dict[str, Any]], None]
Entry = dict[str, Any]


@dataclass
class Recording:
    """One run of the program.

    Parameters
    ----------
    stack
        Its stack.
    made
        The resources as the engine sends them to the pack once everything is made.
    state
        The same resources as `pulumi stack export` writes them, with those that the program only reads.
    """

    stack: str
    made: list[proto.AnalyzerResource] = field(default_factory=list)
    state: list[Entry] = field(default_factory=list)

    def graph(self) -> Graph:
        """Return the graph that an update is judged on."""
        return wire.graph(self.made, self.stack)

    def exported(self) -> str:
        """Return the state file."""
        return json.dumps({"version": 3, "deployment": {"resources": self.state}})


def record(stack: str, root: Path, change: Change | None = None) -> Recording:
    """Run the program for a stack, as its file says or changed."""
    found = Recording(stack)
    providers: dict[str, proto.AnalyzerResource] = {}
    register: Callable[..., Any] = pulumi_mocks.MockMonitor.RegisterResource
    read: Callable[..., Any] = pulumi_mocks.MockMonitor.ReadResource

    def registered(self: pulumi_mocks.MockMonitor, request: Any) -> Any:
        answer = register(self, request)
        resource = _resource(request, answer)
        providers[answer.urn] = resource
        by = providers.get(request.provider.rpartition("::")[0])
        if by is not None:
            resource.provider.properties.CopyFrom(by.properties)
        # Only the first program of a process registers its root.
        if request.type != ROOT_TYPE:
            found.made.append(resource)
            found.state.append(_entry(request, answer.urn, answer.id, resource.properties))
        return answer

    def was_read(self: pulumi_mocks.MockMonitor, request: Any) -> Any:
        answer = read(self, request)
        # The engine shows the pack nothing that the program only reads, and keeps it in the state.
        found.state.append({**_entry(request, answer.urn, request.id, answer.properties), "external": True})
        return answer

    with (
        mock.patch.object(pulumi_mocks.MockMonitor, "RegisterResource", registered),
        mock.patch.object(pulumi_mocks.MockMonitor, "ReadResource", was_read),
    ):
        declare(settings(stack, root, change))
    if not found.made:
        raise AssertionError("nothing was registered")
    return found


def _resource(request: Any, answer: Any) -> proto.AnalyzerResource:
    resource = proto.AnalyzerResource(
        type=request.type, urn=answer.urn, name=request.name, parent=request.parent, dependencies=request.dependencies
    )
    resource.properties.CopyFrom(answer.object if answer.HasField("object") else request.object)
    resource.options.protect = request.protect
    for name, given in request.propertyDependencies.items():
        resource.propertyDependencies[name].urns.extend(given.urns)
    return resource


def _entry(request: Any, urn: str, id_: str, properties: Any) -> Entry:
    outputs = _sealed(json_format.MessageToDict(properties))
    depends = getattr(request, "propertyDependencies", {})
    return {
        "urn": urn,
        "type": request.type,
        "id": id_,
        "inputs": outputs,
        "outputs": outputs,
        "parent": request.parent,
        "provider": request.provider,
        "protect": getattr(request, "protect", False),
        "propertyDependencies": {name: list(given.urns) for name, given in depends.items()},
    }


def _sealed(value: Any) -> Any:
    """Return a value as a state has it: whole numbers without a fraction, secrets as ciphertext."""
    if isinstance(value, dict):
        if value.get(wire.SIGNATURE) == wire.SECRET:
            return {wire.SIGNATURE: wire.SECRET, "ciphertext": "v1:x"}
        return {key: _sealed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_sealed(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@functools.cache
def unchanged(stack: str) -> Recording:
    """Return the run for a stack as its file says; it is the same for all tests of a process."""
    with tempfile.TemporaryDirectory() as root:
        return record(stack, Path(root))


def graph(stack: str, root: Path, change: Change | None = None) -> Graph:
    """Return a stack's graph."""
    return (record(stack, root, change) if change else unchanged(stack)).graph()
