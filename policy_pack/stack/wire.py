"""Conversion of the engine's protocol messages into plain resources."""

from typing import Any, Final

from google.protobuf import struct_pb2
from pulumi.runtime.proto import analyzer_pb2

from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import UNKNOWN

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
# The sentinel of an unknown value of each type (pulumi: sdk/go/common/resource/plugin/rpc.go).
UNKNOWNS: Final = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # string
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)


def graph(resources: Any, stack: str) -> Graph:
    """Return the graph of a stack from the engine's resources."""
    return Graph((stack_resource(resource) for resource in resources), stack)


def stack_resource(message: analyzer_pb2.AnalyzerResource) -> Resource:
    """Return a resource of a stack, with the dependencies of its properties."""
    depends = {key: tuple(dependencies.urns) for key, dependencies in message.propertyDependencies.items()}
    return _resource(message, message.parent, depends)


def new_resource(message: analyzer_pb2.AnalyzeRequest) -> Resource:
    """Return a resource that is about to be created."""
    return _resource(message, message.options.parent, {})


def _resource(
    message: analyzer_pb2.AnalyzerResource | analyzer_pb2.AnalyzeRequest,
    parent: str,
    depends: dict[str, tuple[str, ...]],
) -> Resource:
    props, secrets = properties(message.properties)
    return Resource(
        urn=message.urn,
        type=message.type,
        name=message.name,
        props=props,
        secrets=secrets,
        depends=depends,
        parent=parent,
        provider=properties(message.provider.properties)[0] if message.HasField("provider") else {},
        protect=message.options.protect,
    )


def properties(message: struct_pb2.Struct) -> tuple[dict[str, Any], frozenset[str]]:
    """Return plain properties and the paths of Pulumi secrets."""
    secrets: set[str] = set()
    plain = {key: _plain(value, key, secrets) for key, value in message.fields.items()}
    return plain, frozenset(secrets)


def _plain(value: struct_pb2.Value, path: str, secrets: set[str]) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text = value.string_value
        return UNKNOWN if len(text) == 36 and text in UNKNOWNS else text
    if kind == "struct_value":
        return _map(value.struct_value, path, secrets)
    if kind == "list_value":
        return [_plain(item, f"{path}[{number}]", secrets) for number, item in enumerate(value.list_value.values)]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return value.bool_value if kind == "bool_value" else None


def _map(message: struct_pb2.Struct, path: str, secrets: set[str]) -> Any:
    fields = message.fields
    if SIGNATURE in fields:
        signature = fields[SIGNATURE].string_value
        if signature == SECRET:
            secrets.add(path)
            return _plain(fields["value"], path, secrets)
        if signature == OUTPUT:
            if "secret" in fields and fields["secret"].bool_value:
                secrets.add(path)
            return _plain(fields["value"], path, secrets) if "value" in fields else UNKNOWN
    return {key: _plain(item, f"{path}.{key}", secrets) for key, item in fields.items()}
