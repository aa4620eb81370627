"""IAM policy documents as plain statements."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from policy_pack.stack.values import View


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, every part as a list.

    Parameters
    ----------
    allows
        Whether it allows; else it denies.
    actions, resources
        Patterns of actions and resources.
    turned
        Its parts that mean everything but what they name (NotAction, NotResource, NotPrincipal).
    principals
        (kind, value) pairs; kind ``*`` for anybody.
    conditions
        (operator, key, values) in the letters of the document.
    """

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    turned: frozenset[str]
    principals: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    def covers(self, action: str) -> bool:
        """Return whether it is about an action, by name or pattern."""
        return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in self.actions)

    @property
    def excepted(self) -> bool:
        """Whether it is about everything but its actions, resources or principals."""
        return bool(self.turned)

    @property
    def anybody(self) -> bool:
        """Whether it speaks of everybody."""
        return any(value == "*" for _, value in self.principals)

    @property
    def everything(self) -> bool:
        """Whether it names no resource."""
        return any(resource.strip("*:") in ("", "arn", "arn:aws") for resource in self.resources)

    def tests(self, key: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return the operators and values by which it tests a key, or any key that ends so."""
        lower = key.lower()
        return [(operator, values) for operator, name, values in self.conditions if name.lower().endswith(lower)]


def statements(view: View) -> list[Statement]:
    """Return the statements of a policy document, given as JSON text or as a map.

    Raises
    ------
    NotKnownError
        When the document, or a part of it, is not known yet.
    ValueError
        When it is no policy document.
    """
    written = view.whole()
    if isinstance(written, str):
        written = json.loads(written) if written else {}
    if written is None:
        return []
    if not isinstance(written, Mapping):
        raise ValueError("a policy document is a map")
    return [_statement(entry) for entry in _list(written.get("Statement"))]


def _statement(entry: Mapping[str, Any]) -> Statement:
    tests = entry.get("Condition") or {}
    return Statement(
        allows=entry.get("Effect") == "Allow",
        actions=_texts(entry.get("Action", entry.get("NotAction"))),
        resources=_texts(entry.get("Resource", entry.get("NotResource"))),
        turned=frozenset(part for part in ("Action", "Resource", "Principal") if f"Not{part}" in entry),
        principals=_principals(entry.get("Principal")),
        conditions=tuple(
            (operator, key, _texts(values)) for operator, keys in tests.items() for key, values in keys.items()
        ),
    )


def _principals(written: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(written, Mapping):
        return tuple((kind, value) for kind, values in written.items() for value in _texts(values))
    return tuple(("*", value) for value in _texts(written))


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(item).lower() if isinstance(item, bool) else str(item) for item in _list(value))
