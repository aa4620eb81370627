"""Conditional requests, conditional references and logical references: resources named by an identifier.

A resource that a search by one identifier means has an id derived from that identifier, the same in every message.
The derived id is a hash: a record number is not kept, and only a keyed pseudonym of the hash is ever published.
"""

import hashlib
import re
from urllib.parse import unquote

from model.io.json_elements import Resource

UNCLEAR = "?"
"""In place of an id: the resource is meant, but which one it is cannot be decided. No FHIR id has this form."""

DERIVED = 64
"""Characters of a derived id."""

_CONDITION = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)\?(.+)", re.DOTALL)
_QUERY = re.compile(r"(?:[^?=]*\?)?(.+)", re.DOTALL)
_HARMLESS = frozenset({"_format", "_pretty", "_summary"})
"""Search parameters that do not change which resource is found."""
_SEPARATOR = re.compile(r"(?<!\\)\|")
_ALTERNATIVE = re.compile(r"(?<!\\),")
_ESCAPED = re.compile(r"\\([\\|,$])")


def derived_id(kind: str, system: str, value: str) -> str:
    """Return the id of the resource of a kind that has an identifier."""
    return hashlib.sha256(f"{kind}?{system.strip()}|{value.strip()}".encode("utf-8", "surrogatepass")).hexdigest()


def searched(kind: str, query: str) -> str:
    """Return the id of the resource that a search means; ``UNCLEAR`` when it is not by one whole identifier."""
    inner = _QUERY.fullmatch(query)
    wanted: list[str] = []
    for parameter in (inner[1] if inner else "").split("&"):
        name, _, value = parameter.partition("=")
        if name == "identifier":
            wanted.append(unquote(value))
        elif name not in _HARMLESS:
            return UNCLEAR
    return _by_identifier(kind, wanted[0]) if len(wanted) == 1 else UNCLEAR


def _by_identifier(kind: str, token: str) -> str:
    parts = [_ESCAPED.sub(r"\1", part) for part in _SEPARATOR.split(token)]
    if _ALTERNATIVE.search(token) or len(parts) != 2 or not parts[0].strip() or not parts[1].strip():
        return UNCLEAR
    return derived_id(kind, parts[0], parts[1])


def condition_of(url: object) -> tuple[str, str] | None:
    """Return the type and the query of a conditional url or reference such as ``Patient?identifier=…``."""
    condition = _CONDITION.fullmatch(url) if isinstance(url, str) else None
    return (condition[1], condition[2]) if condition else None


def identified(kind: str, identifier: object) -> str | None:
    """Return the id of the resource that an Identifier means; nothing when it lacks a system or a value."""
    if not isinstance(identifier, dict):
        return None
    system, value = identifier.get("system"), identifier.get("value")
    if not isinstance(system, str) or not isinstance(value, str) or not system.strip() or not value.strip():
        return None
    return derived_id(kind, system, value)


def identities(resource: Resource) -> set[str]:
    """Return the derived ids of all identifiers of a resource."""
    listed = resource.get("identifier")
    conditions = {identified(resource["resourceType"], one) for one in listed} if isinstance(listed, list) else set()
    return {one for one in conditions if one is not None}


def by_identifier(reference: object) -> bool:
    """Return whether a Reference names its target by an identifier."""
    if not isinstance(reference, dict):
        return False
    literal = reference.get("reference")
    return "?" in literal if isinstance(literal, str) else isinstance(reference.get("identifier"), dict)
