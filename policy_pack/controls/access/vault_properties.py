"""Properties of Vault's objects: each is described, and has one of the values of the table."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from functools import cache, partial
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables
from policy_pack.controls.rules import ANY, resource_check
from policy_pack.stack.checks import Findings, not_yet_known, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.values import UNKNOWN, leaves

TABLE = Path(__file__).with_name("vault_properties.yaml")
_INDEX = re.compile(r"\[\d+\]")
_SECONDS = re.compile(r"(\d+)s?")


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Properties:
    """What the properties of a kind may be; ``vault_properties.yaml`` documents the fields."""

    free: frozenset[str] = frozenset()
    values: Mapping[str, tuple[str | int | None, ...]] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)
    at_most: Mapping[str, int] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    def is_described(self, path: str) -> bool:
        """Return whether a property, or one that it is a part of, has a row."""
        steps = path.split(".")
        return any(
            ".".join(steps[:length]) in names
            for length in range(1, len(steps) + 1)
            for names in (self.free, self.values, self.patterns, self.at_most)
        )


@cache
def table() -> Mapping[str, Properties]:
    """Return the properties by kind."""
    return tables.read(TypeAdapter(dict[str, Properties]).validate_python, TABLE)


@resource_check("AC-12", ANY)
def properties_of_vault_are_described(resource: Resource) -> Findings:
    """Refuse properties of Vault's objects that the table does not describe, and values that it does not list."""
    row = table().get(resource.kind)
    if row is None:
        return
    for path, value in leaves(resource.props):
        name = _INDEX.sub("", path)
        if value is not UNKNOWN and value and not row.is_described(name):
            yield violation(f"{name} is not described in vault_properties.yaml; describe it, or remove it", path)
    for name, values in row.values.items():
        allowed = " or ".join(str(value) for value in values if value is not None) or "absent"
        yield from _judged(resource, name, partial(_is_listed, values), f"is not {allowed}")
    for name, pattern in row.patterns.items():
        yield from _judged(resource, name, partial(_is_like, pattern), f"is not like {pattern}")
    for name, most in row.at_most.items():
        yield from _judged(resource, name, partial(_is_within, most), f"is not at most {most}")
    for name in row.required:
        yield from _judged(resource, name, bool, "is not given, or zero")


def _is_listed(values: Collection[str | int | None], value: Any) -> bool:
    return value in values or (not value and None in values)


def _is_like(pattern: str, value: Any) -> bool:
    return re.fullmatch(pattern, str(value or "")) is not None


def _is_within(most: int, value: Any) -> bool:
    seconds = _SECONDS.fullmatch(str(value or 0))
    return seconds is not None and int(seconds[1]) <= most


def _judged(resource: Resource, name: str, is_allowed: Callable[[Any], bool], text: str) -> Findings:
    """Judge a property: each item of a list, and None where it is absent or empty."""
    view = resource.at(name)
    for item in view.items() if isinstance(view.raw, list) and view.raw else [view]:
        if not item.known:
            yield not_yet_known(item.path)
        elif not is_allowed(None if item.absent else item.raw):
            yield violation(f"{name} {text}", item.path)
