"""Detailed diffs of property maps, by property path."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from local.plugins.provider.values import UNKNOWN, Path, Special

_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


class Kind(Enum):
    """Kind of change of a property."""

    ADD = "add"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Diff:
    """Result of diff: the changes of an update.

    Parameters
    ----------
    changes
        Kind of change by path.
    replaces
        Paths of ``changes`` that cannot be changed in place.
    delete_before_replace
        Whether the old object must be gone before its successor can be made.
    """

    changes: Mapping[Path, Kind] = field(default_factory=dict)
    replaces: frozenset[Path] = frozenset()
    delete_before_replace: bool = False


def path_text(path: Path) -> str:
    """Return a path in Pulumi's notation: ``spec.ports[0].port``, ``metadata.labels["a.b/c"]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step)}]"
    return text


def differences(old: Any, new: Any, path: Path = ()) -> dict[Path, Kind]:
    """Return the smallest set of paths at which two values differ.

    A value that is not known yet differs from every known one.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        changes: dict[Path, Kind] = {}
        for key in sorted({*old, *new}):
            where = (*path, key)
            if key not in old:
                changes[where] = Kind.ADD
            elif key not in new:
                changes[where] = Kind.DELETE
            else:
                changes.update(differences(old[key], new[key], where))
        return changes
    if isinstance(old, list) and isinstance(new, list):
        return _list_differences(old, new, path)
    return {} if _same(old, new) else {path: Kind.UPDATE}


def _list_differences(old: list[Any], new: list[Any], path: Path) -> dict[Path, Kind]:
    changes: dict[Path, Kind] = {}
    for index in range(max(len(old), len(new))):
        where = (*path, index)
        if index >= len(old):
            changes[where] = Kind.ADD
        elif index >= len(new):
            changes[where] = Kind.DELETE
        else:
            changes.update(differences(old[index], new[index], where))
    return changes


def _same(old: Any, new: Any) -> bool:
    if old is UNKNOWN or new is UNKNOWN:
        return old is new
    if isinstance(old, Special) and isinstance(new, Special):
        # Assets are equal if their contents are; the engine provides their hashes.
        return bool(old.fields.get("hash", old.fields) == new.fields.get("hash", new.fields))
    return isinstance(old, bool) == isinstance(new, bool) and bool(old == new)


def under(path: Path, roots: Iterable[Path]) -> bool:
    """Return whether a path equals or is below one of the roots (``"*"`` matches any step)."""
    return any(
        len(path) >= len(root) and all(want in ("*", step) for want, step in zip(root, path, strict=False))
        for root in roots
    )
