"""Pulumi package schema of a plugin: its types, with the properties that its table names, of any type."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from local.plugins.provider.rows import Row

_ANY: Final = {"$ref": "pulumi.json#/Any"}


def schema(name: str, version: str, rows: Mapping[str, Row[Any]]) -> str:
    """Return the schema as JSON.

    It has every supported type with its required inputs and its computed outputs; other properties, and the types of
    all, are in the schema of the official plugin alone.
    """
    resources = {token: _resource(row) for token, row in sorted(rows.items())}
    description = f"Types of the {name} provider that the embedded environment supports."
    return json.dumps({"name": name, "version": version, "description": description, "resources": resources})


def _resource(row: Row[Any]) -> dict[str, Any]:
    inputs = {*row.required, *row.replace, *row.defaults, *row.json, *row.unordered, *row.optional, *row.write_only}
    if row.autoname:
        inputs.add(row.autoname)
    outputs = inputs | {*row.computed, *row.volatile, *row.filled}
    return {
        "inputProperties": _properties(inputs),
        "requiredInputs": sorted(row.required),
        "properties": _properties(outputs),
        "required": sorted({*row.required, *row.computed}),
    }


def _properties(names: Iterable[str]) -> dict[str, Any]:
    return {name: _ANY for name in sorted(names) if name.isidentifier() and name not in ("id", "urn")}
