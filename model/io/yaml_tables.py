"""YAML tables: digests of their content, and validation errors with field and line."""

import hashlib
import json
from collections.abc import Sequence

import yaml
from pydantic import ValidationError


def content_digest(*tables: bytes) -> str:
    """Return the hash of what tables say, whatever their comments and layout.

    Parameters
    ----------
    *tables : bytes
        Their YAML.

    Examples
    --------
    >>> content_digest(b"{a: 1, b: 2}") == content_digest(b"{b: 2, a: 1}  # the same")
    True
    """
    content = [yaml.safe_load(table) for table in tables]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def fault_text(fault: ValidationError, text: str = "") -> str:
    """Return the first fault of a table: where it is and what is wrong.

    Parameters
    ----------
    fault : ValidationError
        What pydantic found.
    text : str
        The table's YAML, for the line; without it only the field is named.
    """
    first = fault.errors(include_url=False)[0]
    path = ".".join(str(step) for step in first["loc"]) or "the file"
    line = _line(yaml.compose(text), first["loc"]) if text else None
    return f"{path}{f' (line {line})' if line else ''}: {first['msg'].removeprefix('Value error, ')}"


def _line(node: yaml.Node | None, path: Sequence[int | str]) -> int | None:
    """Return the line of a field, or of the nearest that encloses it."""
    for step in path:
        below: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            below = next((value for key, value in node.value if key.value == str(step)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            below = node.value[step]
        if below is None:
            break
        node = below
    return node.start_mark.line + 1 if node is not None else None
