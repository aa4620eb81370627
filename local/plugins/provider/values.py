"""Conversion of Pulumi property values to plain Python and back, with secrets, unknowns and assets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Props = dict[str, Any]
Path = tuple[str | int, ...]
"""The path of a value: map keys and list positions, outermost first."""


class Unknown:
    """Unknown value, which is known only after other resources have been created."""

    def __repr__(self) -> str:
        return "<unknown>"

    def __deepcopy__(self, memo: object) -> "Unknown":
        return self


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Special:
    """Asset, archive or resource reference, passed through unchanged."""

    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Values:
    """Plain properties, with the paths of secrets."""

    plain: Props
    secrets: frozenset[Path] = frozenset()

    @property
    def has_unknowns(self) -> bool:
        """Whether any value, at any depth, is unknown."""
        return has_unknowns(self.plain)


def has_unknowns(value: Any) -> bool:
    """Return whether any value, at any depth, is unknown."""
    if isinstance(value, dict):
        return any(has_unknowns(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknowns(item) for item in value)
    return value is UNKNOWN


def unwrap(struct: struct_pb2.Struct) -> Values:
    """Convert a protobuf structure to plain values; nulls in maps are dropped, as in official plugins."""
    secrets: set[Path] = set()
    plain = {
        key: _unwrap(item, (key,), secrets)
        for key, item in struct.fields.items()
        if item.WhichOneof("kind") != "null_value"
    }
    return Values(plain, frozenset(secrets))


def _unwrap(value: struct_pb2.Value, path: Path, secrets: set[Path]) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _unwrap_map(value.struct_value.fields, path, secrets)
    if kind == "list_value":
        return [_unwrap(v, (*path, i), secrets) for i, v in enumerate(value.list_value.values)]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    if kind == "string_value":
        text = value.string_value
        return UNKNOWN if text == UNKNOWN_STRING else text
    return value.bool_value if kind == "bool_value" else None


def _unwrap_map(fields: Mapping[str, struct_pb2.Value], path: Path, secrets: set[Path]) -> Any:
    signature = fields[SIGNATURE].string_value if SIGNATURE in fields else ""
    if signature in (SECRET, OUTPUT):
        if signature == SECRET or ("secret" in fields and fields["secret"].bool_value):
            secrets.add(path)
        return _unwrap(fields["value"], path, secrets) if "value" in fields else UNKNOWN
    plain = {
        key: _unwrap(item, (*path, key), secrets)
        for key, item in fields.items()
        if item.WhichOneof("kind") != "null_value"
    }
    return Special(plain) if signature else plain


def wrap(plain: Mapping[str, Any], secrets: Iterable[Path] = ()) -> struct_pb2.Struct:
    """Convert plain values to a protobuf structure, with secrets at the given paths that exist."""
    marked = frozenset(secrets)
    return struct_pb2.Struct(fields={k: _wrap(v, (k,), marked) for k, v in plain.items()})


def _wrap(value: Any, path: Path, secrets: frozenset[Path]) -> struct_pb2.Value:
    wire = _wrap_plain(value, path, secrets)
    if path not in secrets:
        return wire
    signature = struct_pb2.Value(string_value=SECRET)
    return struct_pb2.Value(struct_value=struct_pb2.Struct(fields={SIGNATURE: signature, "value": wire}))


def _wrap_plain(value: Any, path: Path, secrets: frozenset[Path]) -> struct_pb2.Value:
    if value is UNKNOWN:
        return struct_pb2.Value(string_value=UNKNOWN_STRING)
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, Special):
        value = value.fields
    if isinstance(value, Mapping):
        fields = {str(k): _wrap(v, (*path, str(k)), secrets) for k, v in value.items()}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    if isinstance(value, list | tuple):
        items = [_wrap(v, (*path, i), secrets) for i, v in enumerate(value)]
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=items))
    return struct_pb2.Value(string_value=str(value))


def project_secrets(secrets: Iterable[Path]) -> frozenset[Path]:
    """Extend secret paths to the nearest list: a server may reorder a list, so all of it is secret."""
    projected: set[Path] = set()
    for path in secrets:
        cut = next((i for i, step in enumerate(path) if isinstance(step, int)), len(path))
        projected.add(path[:cut])
    return frozenset(projected)
