"""A patch of properties: the values of a change, in the places of what they change."""

import json
from typing import Any

APPEND, REPLACE = "+", "replace"


def patched(value: Any, patch: Any) -> Any:
    """Return a value as a patch makes it.

    Parameters
    ----------
    value
        The value, which stays as it is.
    patch
        A mapping goes into a mapping by its keys, and into a list by its indices; `null` removes what is there. Its key
        `+` appends to a list or a text, and `replace` is the whole new value. A mapping for a text of JSON changes the
        document that the text is. Everything else is the new value.

    Returns
    -------
    Any
        The new value.

    Examples
    --------
    >>> patched({"a": [1, 2], "b": 3}, {"a": {0: 9, "+": 4}, "b": None})
    {'a': [9, 2, 4]}
    >>> patched('{"a": 1}', {"b": 2})
    '{"a": 1, "b": 2}'
    """
    if not isinstance(patch, dict):
        return patch
    if REPLACE in patch:
        return patch[REPLACE]
    if isinstance(value, str):
        return value + patch[APPEND] if APPEND in patch else json.dumps(patched(json.loads(value), patch))
    if isinstance(value, list):
        items = {**dict(enumerate(value)), **_changes(dict(enumerate(value)), patch)}
        more = [patch[APPEND]] if APPEND in patch else []
        return [*(items[index] for index in sorted(items) if items[index] is not None), *more]
    known = value if isinstance(value, dict) else {}
    changes = _changes(known, patch)
    return {key: item for key, item in {**known, **changes}.items() if key not in changes or item is not None}


def _changes(known: dict[Any, Any], patch: dict[Any, Any]) -> dict[Any, Any]:
    return {key: patched(known.get(key), item) for key, item in patch.items() if key != APPEND}
