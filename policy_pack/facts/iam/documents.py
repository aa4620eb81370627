"""IAM policy documents, parsed into statements."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from policy_pack.facts.iam.wildcards import matches
from policy_pack.stack.graph import Resource
from policy_pack.stack.values import View


@dataclass(frozen=True)
class Statement:
    """One statement of a policy document, every element as a tuple.

    Parameters
    ----------
    allows
        Whether the effect is Allow; otherwise it is Deny.
    actions, resources
        Patterns of Action or NotAction, and of Resource or NotResource.
    negated
        The elements that are written as NotAction, NotResource or NotPrincipal.
    principals
        (type, value) pairs of Principal or NotPrincipal; the type is ``*`` for ``"Principal": "*"``.
    conditions
        (operator, key, values) as written in the document.
    label
        The Sid, or the number in the document.
    """

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    negated: frozenset[str]
    principals: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]
    label: str = ""

    def covers(self, action: str) -> bool:
        """Return whether the statement applies to an action, by Action or by NotAction."""
        named = any(matches(pattern.lower(), action.lower()) for pattern in self.actions)
        return named is not ("Action" in self.negated)

    def covers_any(self, actions: Iterable[str]) -> bool:
        """Return whether the statement applies to at least one of some actions."""
        return any(self.covers(action) for action in actions)

    @property
    def any_principal(self) -> bool:
        """Whether Principal is ``*``."""
        return "Principal" not in self.negated and any(value == "*" for _, value in self.principals)

    @property
    def any_resource(self) -> bool:
        """Whether a Resource is ``*``, or an ARN of wildcards alone."""
        return any(resource.strip("*:") in ("", "arn", "arn:aws") for resource in self.resources)

    def conditions_on(self, key: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return the operators and values of the conditions on a key, or on any key with that ending."""
        lower = key.lower()
        return [(operator, values) for operator, name, values in self.conditions if name.lower().endswith(lower)]


def statements(view: View) -> list[Statement]:
    """Return the statements of a policy document, which is JSON text or a map.

    Raises
    ------
    NotKnownError
        When the document, or a part of it, is not known yet.
    ValueError
        When the value is not a policy document.
    """
    document = view.whole()
    if isinstance(document, str):
        document = json.loads(document) if document else {}
    if document is None:
        return []
    if not isinstance(document, Mapping):
        raise ValueError("a policy document is a map")
    return [_statement(entry, number) for number, entry in enumerate(_list(document.get("Statement")), start=1)]


def policy_statements(policies: Iterable[Resource]) -> list[Statement]:
    """Return the statements of all policy resources, from their property ``policy``."""
    return [statement for policy in policies for statement in statements(policy.at("policy"))]


def _statement(entry: Mapping[str, Any], number: int) -> Statement:
    conditions = entry.get("Condition") or {}
    return Statement(
        # Another effect than these two is rejected by AWS; it counts as the one that grants.
        allows=entry.get("Effect") != "Deny",
        actions=_texts(entry.get("Action", entry.get("NotAction"))),
        resources=_texts(entry.get("Resource", entry.get("NotResource"))),
        negated=frozenset(element for element in ("Action", "Resource", "Principal") if f"Not{element}" in entry),
        principals=_principals(entry.get("Principal", entry.get("NotPrincipal"))),
        conditions=tuple(
            (operator, key, _texts(values)) for operator, keys in conditions.items() for key, values in keys.items()
        ),
        label=str(entry.get("Sid") or number),
    )


def _principals(principal: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(principal, Mapping):
        return tuple((kind, value) for kind, values in principal.items() for value in _texts(values))
    return tuple(("*", value) for value in _texts(principal))


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(item).lower() if isinstance(item, bool) else str(item) for item in _list(value))
