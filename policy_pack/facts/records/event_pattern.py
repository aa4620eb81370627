"""Event patterns of EventBridge: whether a rule selects an event."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

_OR: Final = "$or"
_MISSING: Final = object()


def matches(pattern: Any, event: Any) -> bool:
    """Return whether a pattern selects an event; an operator that is not known selects none, nor does an empty object.

    EventBridge refuses a pattern with an empty object.
    """
    if not isinstance(pattern, Mapping) or not pattern:
        return False
    for name, wanted in pattern.items():
        if name == _OR:
            if not any(matches(one, event) for one in wanted):
                return False
        elif isinstance(event, list):
            # In a list of objects one of them must match.
            if not any(matches({name: wanted}, one) for one in event):
                return False
        elif not _field(wanted, event.get(name, _MISSING) if isinstance(event, Mapping) else _MISSING):
            return False
    return True


def _field(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, Mapping):
        return matches(wanted, value)
    if not isinstance(wanted, list):
        return False
    values = value if isinstance(value, list) else [value]
    return any(_one(matcher, one) for matcher in wanted for one in values)


def _one(matcher: Any, value: Any) -> bool:
    if not isinstance(matcher, Mapping):
        return type(matcher) is type(value) and bool(matcher == value)
    if len(matcher) != 1:
        return False
    [(operator, wanted)] = matcher.items()
    if operator == "exists":
        return (value is not _MISSING) is wanted
    if value is _MISSING:
        return False
    if operator == "anything-but":
        return not any(_one(one, value) for one in (wanted if isinstance(wanted, list) else [wanted]))
    return isinstance(value, str) and isinstance(wanted, str) and _text(operator, wanted, value)


def _text(operator: str, wanted: str, value: str) -> bool:
    tests = {
        "prefix": value.startswith(wanted),
        "suffix": value.endswith(wanted),
        "equals-ignore-case": value.lower() == wanted.lower(),
        "wildcard": fnmatchcase(value, wanted.replace("[", "[[]").replace("?", "[?]")),
    }
    return tests.get(operator, False)
