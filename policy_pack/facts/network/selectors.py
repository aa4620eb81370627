"""Label selectors, as Kubernetes evaluates them."""

from collections.abc import Mapping
from typing import Any


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Return whether a label selector (matchLabels, matchExpressions) matches labels; an empty one matches all."""
    if not matches_labels(selector.get("matchLabels") or {}, labels):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions") or ())


def matches_labels(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Return whether labels include those of a map, such as a Service's selector."""
    return all(labels.get(key) == value for key, value in selector.items())


def normalized(selector: Mapping[str, Any]) -> dict[str, Any]:
    """Return a label selector with ``In`` of one value as a label, which means the same."""
    labels = dict(selector.get("matchLabels") or {})
    others = []
    for expression in selector.get("matchExpressions") or ():
        key, values = expression.get("key"), list(expression.get("values") or ())
        if expression.get("operator") == "In" and len(values) == 1 and labels.get(key, values[0]) == values[0]:
            labels[key] = values[0]
        else:
            others.append(expression)
    parts = {"matchLabels": labels, "matchExpressions": others}
    return {name: part for name, part in parts.items() if part}


def required_values(selector: Mapping[str, Any], key: str) -> frozenset[str] | None:
    """Return the values of a label of which a selector requires one; None where it requires none."""
    value = (selector.get("matchLabels") or {}).get(key)
    required = [frozenset({value})] if value is not None else []
    required += [
        frozenset(one.get("values") or ())
        for one in selector.get("matchExpressions") or ()
        if (one.get("key"), one.get("operator")) == (key, "In")
    ]
    return frozenset.intersection(*required) if required else None


def matches_all(selector: Mapping[str, Any]) -> bool:
    """Return whether a label selector has no requirement."""
    return not any(selector.values())


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise ValueError(f"{other} is not an operator of label selectors")
