"""Elements of JSON that has not been validated: what has another form than expected counts as absent."""

from typing import Any

Resource = dict[str, Any]
"""FHIR resource, or an element of one, as JSON: its members have the types of the profile once it was validated."""


def element(value: object) -> dict[str, object]:
    """Return an object, or an empty one in place of anything else.

    Examples
    --------
    >>> element({"start": "2026-01-01"}), element("2026"), element(None)
    ({'start': '2026-01-01'}, {}, {})
    """
    return value if isinstance(value, dict) else {}


def elements(value: object) -> list[dict[str, object]]:
    """Return the objects of an array; none of anything else.

    Examples
    --------
    >>> elements([{"code": "a"}, "b", None]), elements({"code": "a"})
    ([{'code': 'a'}], [])
    """
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
