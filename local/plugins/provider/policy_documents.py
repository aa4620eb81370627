"""Normaliser of IAM policy documents: ignores order, and the short form of one-element lists, as IAM does."""

import json
import re
from typing import Any, Final

# Elements that may be a string or a list, and whose order is irrelevant.
_SETS: Final = frozenset({"Action", "NotAction", "Resource", "NotResource"})
# Action names are case-insensitive.
_ACTIONS: Final = frozenset({"Action", "NotAction"})
_ROOT: Final = re.compile(r"arn:aws[\w-]*:iam::(\d{12}):root")
_PRINCIPALS: Final = frozenset({"Principal", "NotPrincipal"})


def is_policy(document: Any) -> bool:
    """Return whether JSON is an IAM policy document."""
    return isinstance(document, dict) and isinstance(document.get("Statement"), dict | list)


def canonical(document: Any) -> Any:
    """Return the canonical form of a policy document, equal for equivalent documents.

    The order of statements means nothing either, since a denial always wins.
    """
    statements = [_statement(item) for item in _listed(document["Statement"])]
    return {**document, "Statement": sorted(statements, key=_text)}


def _statement(statement: Any) -> Any:
    if not isinstance(statement, dict):
        return statement
    normalised = {name: _set(value) if name in _SETS else value for name, value in statement.items()}
    for name in _ACTIONS & normalised.keys():
        normalised[name] = sorted({action.lower() for action in normalised[name]})
    for name in _PRINCIPALS & normalised.keys():
        normalised[name] = _principal(normalised[name])
    if isinstance(normalised.get("Condition"), dict):
        normalised["Condition"] = {
            operator: {key: _set(value) for key, value in keys.items()} if isinstance(keys, dict) else keys
            for operator, keys in normalised["Condition"].items()
        }
    return normalised


def _principal(value: Any) -> Any:
    if isinstance(value, dict):
        # The root of an account means the account.
        return {kind: sorted({_ROOT.sub(r"\1", name) for name in _set(names)}) for kind, names in value.items()}
    # There are two notations for everyone.
    return {"AWS": ["*"]} if value == "*" else value


def _set(value: Any) -> Any:
    # Conditions may have true and 5 instead of "true" and "5".
    return sorted({item if isinstance(item, str) else json.dumps(item) for item in _listed(value)})


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
