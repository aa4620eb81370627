"""Measurement values: with a known unit, and within the size and precision of a measurement."""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal

from model.definitions.units import Conversion, Units
from model.deid.vocabulary import same_uri
from model.io.json_elements import Resource

COMPARATORS = frozenset({"<", "<=", ">=", ">"})
UCUM = frozenset({"http://unitsofmeasure.org", "urn:oid:2.16.840.1.113883.6.8"})
REMEMBERED = 10_000

Reason = Literal["no-value", "no-unit", "unit-not-understood", "units-contradict", "out-of-bounds"]
"""Why a FHIR Quantity is no measurement."""
WITHOUT: Reason = "no-unit"
UNKNOWN: Reason = "unit-not-understood"
CONTRADICTION: Reason = "units-contradict"
OUT_OF_BOUNDS: Reason = "out-of-bounds"
UNIT_REASONS: tuple[Reason, ...] = (WITHOUT, UNKNOWN, CONTRADICTION)
"""The reasons that lie in the unit."""

Spelled = tuple[object, object, object]
"""System, code and text of a unit, as they came."""
Found = tuple[str, None] | tuple[None, Reason]
"""A UCUM code, or the reason why there is none."""


class Measures:
    """Filter of measurement values.

    Parameters
    ----------
    units : Units
        The units and their spellings.
    largest : float
        The largest number for a unit that names none of its own.
    digits : int
        Significant digits that a number keeps.
    conversions : Mapping
        By the LOINC code of what is measured, how each unit converts: two units that convert alike do not contradict
        each other there, such as meq/L and mmol/L of sodium.
    """

    def __init__(
        self, units: Units, *, largest: float, digits: int, conversions: Mapping[str, Mapping[str, Conversion]]
    ) -> None:
        self._units = units
        self._largest = {
            name: largest if unit.largest is None else unit.largest for name, unit in units.table.units.items()
        }
        self._digits = digits
        self._conversions = conversions
        self._known: dict[tuple[Spelled, str | None], Found] = {}

    def decide(self, quantity: Mapping[str, object], codes: Iterable[str] = ()) -> Resource | Reason:
        """Return value, UCUM unit and comparator of a FHIR Quantity, or why it is no measurement.

        Parameters
        ----------
        quantity : Mapping
            The Quantity.
        codes : Iterable of str
            The LOINC codes of what it measures: some numbers need no unit.
        """
        number = _finite(quantity.get("value"))
        if number is None:
            return "no-value"
        spelled = (quantity.get("system"), quantity.get("code"), quantity.get("unit"))
        unit, reason = self._unit(spelled, codes)
        if unit is None:
            return reason or UNKNOWN
        if abs(number) > self._largest[unit]:
            return OUT_OF_BOUNDS
        comparator = quantity.get("comparator")
        return {
            "value": float(f"{number:.{self._digits}g}"),
            "unit": unit,
            "comparator": comparator if isinstance(comparator, str) and comparator in COMPARATORS else None,
        }

    def _unit(self, spelled: Spelled, codes: Iterable[str]) -> Found:
        """Return the unit that a Quantity's code and text name, from memory where they came before."""
        measured = next((code for code in codes if code in self._conversions or code in self._units.unit_without), None)
        asked = spelled, measured
        try:
            unit = self._known.get(asked)
        except TypeError:  # a list or an object where text belongs
            return None, UNKNOWN
        if unit is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            system, code, text = map(_text, spelled)
            unit = self._known[asked] = self._find(system, code, text, measured)
        return unit

    def _find(self, system: str, code: str, text: str, measured: str | None) -> Found:
        spellings = self._units.spellings
        usual = self._units.unit_without.get(measured or "")
        if usual is not None and {code.casefold(), text.casefold()} <= self._units.table.no_unit | {""}:
            return usual, None
        if not code and not text:
            return None, WITHOUT
        if spellings.never_converted(code) or spellings.never_converted(text):
            return None, UNKNOWN
        by_code, by_text = spellings.meaning(code), spellings.meaning(text)
        if by_code is None or by_text is None:
            ours = not system or same_uri(system) in UCUM
            trusted = by_text or (by_code if ours or not text else None)
            return (trusted, None) if trusted else (None, UNKNOWN)
        if self._same(by_code, by_text, measured):
            return by_code, None
        return None, CONTRADICTION

    def _same(self, one: str, other: str, measured: str | None) -> bool:
        """Return whether a number of what is measured means the same in two units."""
        factors = self._conversions.get(measured or "", {})
        alike = one in factors and factors[one] == factors.get(other)
        return alike or self._units.same_number(one, other)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None
