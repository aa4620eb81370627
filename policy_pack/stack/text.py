"""Values of resources as words for a reader: what is not known or no text is nothing."""

from typing import Any

from policy_pack.stack.graph import Resource
from policy_pack.stack.values import UNKNOWN, View


def word(view: View) -> str:
    """Return a text value; nothing where it is not known, or is no text."""
    return view.raw if isinstance(view.raw, str) else ""


def words(view: View) -> list[str]:
    """Return the texts of a list, or of one text."""
    return [item.raw for item in view.items() if isinstance(item.raw, str) and item.raw]


def flag(view: View) -> bool:
    """Return whether a value is known and true, also where a provider writes it as text."""
    raw: Any = view.raw
    return raw is not UNKNOWN and (raw is True or raw == "true")


def called(resource: Resource) -> str:
    """Return how its provider calls a resource, else how the program does."""
    home = word(resource.at("metadata.namespace"))
    name = word(resource.at("metadata.name"))
    return f"{home}/{name}" if home and name else name or resource.name
