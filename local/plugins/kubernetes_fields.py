"""Who owns which field of an object: server-side apply's ``managedFields``."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from local.plugins.common import Props
from local.plugins.kubernetes_objects import metadata

# Edits with kubectl, and what this plugin created, become this resource's own at the next
# update, as with the official plugin; any other manager's field is a conflict.
_TAKEN_OVER: Final = (
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    ("pulumi-kubernetes", "Update"),
    ("pulumi-resource-kubernetes", "Update"),
)


def _entries(live: Props) -> list[Props]:
    found: list[Props] = metadata(live).get("managedFields") or []
    return found


def _is_taken(entry: Props) -> bool:
    name, operation = str(entry.get("manager", "")), entry.get("operation")
    if entry.get("subresource") == "scale":
        return name.startswith("kubectl")  # `kubectl scale`, not an autoscaler
    return not entry.get("subresource") and any(name.startswith(n) and operation == o for n, o in _TAKEN_OVER)


def created_here(live: Props) -> bool:
    """Return whether fields still belong to the manager under which objects are created."""
    return any(_is_taken(entry) for entry in _entries(live))


def taken_over(live: Props, manager: str) -> list[Props] | None:
    """Return the patch that makes a manager the owner of what it may take; nothing where it has it all."""
    entries = _entries(live)
    taken = [entry for entry in entries if _is_taken(entry)]
    if not taken:
        return None
    own = [entry for entry in entries if entry.get("manager") == manager and entry.get("operation") == "Apply"]
    fields: Props = {}
    for entry in [*own, *taken]:
        fields = _merged(fields, entry.get("fieldsV1") or {})
    first = taken[0]
    mine = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": first.get("apiVersion"),
        "time": first.get("time"),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    others = [entry for entry in entries if entry not in taken and entry not in own]
    version = metadata(live).get("resourceVersion")
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [mine, *others]},
        # Refused where the object has changed since it was read.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]


def _merged(left: Props, right: Props) -> Props:
    both = {key: _merged(left[key], right[key]) for key in left.keys() & right.keys()}
    return {**left, **right, **both}


def _owns(fields: Mapping[str, Any], path: Iterable[str]) -> bool:
    for step in path:
        below = fields.get(f"f:{step}")
        if below is None:
            return False
        fields = below
    return True


def respect_ignored(inputs: Props, live: Props, manager: str, ignored: Iterable[str]) -> Props:
    """Return inputs that leave the fields of ``ignoreChanges`` as they are in the cluster.

    A field that another manager alone owns is left out; any other keeps its live value.
    Paths into lists are sent as they were.
    """
    for text in ignored:
        path = text.split(".")
        if "[" in text:
            continue
        holding = [entry for entry in _entries(live) if _owns(entry.get("fieldsV1") or {}, path)]
        owners = {manager if _is_taken(entry) else str(entry.get("manager")) for entry in holding}
        inputs = _with_value(inputs, path, _get(live, path), drop=bool(owners) and manager not in owners)
    return inputs


def _get(thing: Any, path: list[str]) -> Any:
    for step in path:
        thing = thing.get(step) if isinstance(thing, dict) else None
    return thing


def _with_value(thing: Props, path: list[str], value: Any, *, drop: bool) -> Props:
    key, rest = path[0], path[1:]
    if not rest:
        kept = {k: v for k, v in thing.items() if k != key}
        if drop:
            return kept
        return thing if value is None else {**thing, key: value}
    below = thing.get(key)
    return {**thing, key: _with_value(below, rest, value, drop=drop)} if isinstance(below, dict) else thing
