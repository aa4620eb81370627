"""Codes and measurements that may leave: in the shape of their system or unit, said in one canonical way."""

import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from model.deid.check_digits import CHECKS

COMPARATORS = frozenset({"<", "<=", ">=", ">"})
REMEMBERED = 50_000

Meaning = tuple[str, str]
"""The short name of a system and a code in it."""


class System(BaseModel):
    """A code system whose codes may leave, and the shape that they must have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    uri: str
    also: tuple[str, ...] = ()
    pattern: str | None = None
    values: frozenset[str] = frozenset()
    check: Literal["verhoeff", "mod10"] | None = None

    def accepts(self, code: str) -> bool:
        """Return whether a code has the shape of this system."""
        if self.values:
            return code in self.values
        if self.pattern is None or not re.fullmatch(self.pattern, code, re.ASCII):
            return False
        return self.check is None or CHECKS[self.check](code)


class Translation(BaseModel):
    """What the codes of another vocabulary mean in one of the systems."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    means: str
    uris: tuple[str, ...]
    codes: dict[str, str]


class Unit(BaseModel):
    """A unit whose numbers may leave."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    largest: float | None = None
    also: tuple[str, ...] = ()


class Vocabulary:
    """Says what a coding means, if its system is known and its code has the shape of one.

    Parameters
    ----------
    systems
        The systems by their short names.
    translations
        Other vocabularies in the words of these systems.
    """

    def __init__(self, systems: Mapping[str, System], translations: Iterable[Translation]) -> None:
        self._systems: dict[str, list[str]] = {}
        self._accepts = {name: system.accepts for name, system in systems.items()}
        self._codes: dict[tuple[str, str], dict[str, str]] = {}
        for name, system in systems.items():
            for uri in (system.uri, *system.also):
                self._systems.setdefault(same_uri(uri), []).append(name)
        for translation in translations:
            for uri in translation.uris:
                self._codes.setdefault((same_uri(uri), translation.means), {}).update(translation.codes)
        self._known: dict[tuple[tuple[str, ...], str, str], Meaning | None] = {}

    def meaning(self, wanted: tuple[str, ...], uri: object, code: object) -> Meaning | None:
        """Return a coding in one of the wanted systems; nothing when it is in none or has another shape."""
        if not isinstance(uri, str) or not isinstance(code, str):
            return None
        asked = (wanted, uri, code)
        if asked not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[asked] = self._find(wanted, same_uri(uri), code)
        return self._known[asked]

    def _find(self, wanted: tuple[str, ...], uri: str, code: str) -> Meaning | None:
        for name in wanted:
            if name in self._systems.get(uri, ()) and self._accepts[name](code):
                return name, code
            translated = self._codes.get((uri, name), {}).get(code)
            if translated is not None:
                return name, translated
        return None


class Measures:
    """Says which numbers are measurements.

    Parameters
    ----------
    units
        The units by their UCUM spelling.
    largest
        The largest number for a unit that names none of its own.
    digits
        Significant digits that a number keeps.
    """

    def __init__(self, units: Mapping[str, Unit], *, largest: float, digits: int) -> None:
        self._names = {spelling: name for name, unit in units.items() for spelling in (name, *unit.also)}
        self._largest = {name: largest if unit.largest is None else unit.largest for name, unit in units.items()}
        self._digits = digits

    def measured(self, quantity: object) -> dict[str, Any] | None:
        """Return the value, unit and comparator of a FHIR Quantity; nothing when it may not be a measurement."""
        if not isinstance(quantity, dict):
            return None
        unit = self._unit(quantity.get("code")) or self._unit(quantity.get("unit"))
        number = _finite(quantity.get("value"))
        if unit is None or number is None or abs(number) > self._largest[unit]:
            return None
        comparator = quantity.get("comparator")
        return {
            "value": float(f"{number:.{self._digits}g}"),
            "unit": unit,
            "comparator": comparator if isinstance(comparator, str) and comparator in COMPARATORS else None,
        }

    def _unit(self, spelling: object) -> str | None:
        return self._names.get(spelling) if isinstance(spelling, str) else None


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None


def same_uri(uri: str) -> str:
    """Return one spelling for the ways in which a system's uri is written."""
    return re.sub(r"^https:", "http:", uri.strip()).rstrip("/").lower()
