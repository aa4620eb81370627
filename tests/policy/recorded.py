"""The program's own stacks: the resources that it registers and reads with mocks, with dependencies and options."""

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
from tests.support.stack.mocked_stack import run_program, settings

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
        The resources as the engine sends them to the pack after the update.
    state
        The same resources as `pulumi stack export` writes them, with those that the program only reads.
    """

    stack: str
    resources: list[proto.AnalyzerResource] = field(default_factory=list)
    state: list[Entry] = field(default_factory=list)

    def graph(self) -> Graph:
        """Return the graph that an update evaluates."""
        return wire.graph(self.resources, self.stack)

    def exported(self) -> str:
        """Return the state file."""
        return json.dumps({"version": 3, "deployment": {"resources": self.state}})


def record(stack: str, root: Path, change: Change | None = None) -> Recording:
    """Run the program with the configuration of a stack, or with a changed one."""
    recording = Recording(stack)
    providers: dict[str, proto.AnalyzerResource] = {}
    register: Callable[..., Any] = pulumi_mocks.MockMonitor.RegisterResource
    read: Callable[..., Any] = pulumi_mocks.MockMonitor.ReadResource

    def register_and_record(self: pulumi_mocks.MockMonitor, request: Any) -> Any:
        answer = register(self, request)
        resource = _resource(request, answer)
        providers[answer.urn] = resource
        by = providers.get(request.provider.rpartition("::")[0])
        if by is not None:
            resource.provider.properties.CopyFrom(by.properties)
        # Only the first program of a process registers its root.
        if request.type != ROOT_TYPE:
            recording.resources.append(resource)
            recording.state.append(_entry(request, answer.urn, answer.id, resource.properties))
        return answer

    def read_and_record(self: pulumi_mocks.MockMonitor, request: Any) -> Any:
        answer = read(self, request)
        # The engine does not send resources that the program only reads to the pack, but keeps them in the state.
        recording.state.append({**_entry(request, answer.urn, request.id, answer.properties), "external": True})
        return answer

    with (
        mock.patch.object(pulumi_mocks.MockMonitor, "RegisterResource", register_and_record),
        mock.patch.object(pulumi_mocks.MockMonitor, "ReadResource", read_and_record),
    ):
        run_program(settings(stack, root, change))
    if not recording.resources:
        raise AssertionError("nothing was registered")
    return recording


def _resource(request: Any, answer: Any) -> proto.AnalyzerResource:
    resource = proto.AnalyzerResource(
        type=request.type, urn=answer.urn, name=request.name, parent=request.parent, dependencies=request.dependencies
    )
    resource.properties.CopyFrom(answer.object if answer.HasField("object") else request.object)
    resource.options.protect = request.protect
    for name, dependency in request.propertyDependencies.items():
        resource.propertyDependencies[name].urns.extend(dependency.urns)
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
        "propertyDependencies": {name: list(dependency.urns) for name, dependency in depends.items()},
    }


def _sealed(value: Any) -> Any:
    """Return a value as in a state: whole numbers as integers, secrets as ciphertext."""
    if isinstance(value, dict):
        if value.get(wire.SIGNATURE) == wire.SECRET:
            return {wire.SIGNATURE: wire.SECRET, "ciphertext": "v1:x"}
        return {key: _sealed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_sealed(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@functools.cache
def unchanged(stack: str) -> Recording:
    """Return the run with the configuration of a stack, recorded once in a process."""
    with tempfile.TemporaryDirectory() as root:
        return record(stack, Path(root))


def graph(stack: str, root: Path, change: Change | None = None) -> Graph:
    """Return a stack's graph."""
    return (record(stack, root, change) if change else unchanged(stack)).graph()
