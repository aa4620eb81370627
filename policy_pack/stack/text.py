"""Text helpers: property values as text for a reader, empty where a value is not known or not text."""

from typing import Any

from policy_pack.stack.graph import Resource
from policy_pack.stack.values import UNKNOWN, View

_LONGEST = 2000
# The engine's own colour markup.
_MARKUP = "<{%"


def printable(text: str) -> str:
    """Return text that a terminal prints as it is: control characters are escaped, and long text is cut."""
    cut = f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return escaped.replace(_MARKUP, "< {%")


def known_text(view: View) -> str:
    """Return a text value; empty where it is not known, or not text."""
    return view.raw if isinstance(view.raw, str) else ""


def known_texts(view: View) -> list[str]:
    """Return the texts of a list, or a single text as a list."""
    return [item.raw for item in view.items() if isinstance(item.raw, str) and item.raw]


def known_true(view: View) -> bool:
    """Return whether a value is known and true, also as text."""
    raw: Any = view.raw
    return raw is not UNKNOWN and (raw is True or raw == "true")


def display_name(resource: Resource) -> str:
    """Return the name of a resource in the cluster, with its namespace; otherwise its logical name."""
    namespace = known_text(resource.at("metadata.namespace"))
    name = known_text(resource.at("metadata.name"))
    return f"{namespace}/{name}" if namespace and name else name or resource.name
