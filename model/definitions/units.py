"""Units of measurement (``units.yaml``): the UCUM code of a spelling, and conversion between units."""

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, NamedTuple

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from model.io.yaml_tables import content_digest

UNITS_FILE = Path(__file__).parent / "units.yaml"
LONGEST = 64
"""Characters of the longest spelling that is looked at."""
REMEMBERED = 10_000
"""Spellings whose meaning is kept."""

MASS = "mass concentration"
SUBSTANCE = "substance concentration"
EQUIVALENTS = "equivalent concentration"

_RAISED = re.compile(r"(?<=10)(?:[⁰¹²³⁴-⁹]+|\s+(?=\d))")
_PER = re.compile(r"(?:^|\s+)per\s+", re.IGNORECASE)
_POWER = re.compile(r"^[x*]?(?:10|1(?=e))(?:\*\*|\*|\^|e|exp|(?=\())\(?(?P<power>\d{1,2})\)?(?=/|$)", re.IGNORECASE)
_INVERSE = re.compile(r"(?:^|\.)([A-Za-z]+)(?:\*|\^)?\(?-1\)?")

Number = Annotated[Fraction, BeforeValidator(lambda value: Fraction(str(value)))]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Conversion(NamedTuple):
    """Unit conversion: (recorded - zero) * factor."""

    factor: float
    zero: float


class Unit(_Row):
    """One unit: its quantity, its size in the quantity's base unit, its largest number, its other spellings."""

    of: str = ""
    factor: Number = Fraction(1)
    zero: Number = Fraction(0)
    largest: float | None = None
    also: tuple[str, ...] = ()

    def equals(self, other: "Unit") -> bool:
        """Return whether one number means the same in both units."""
        return self.of == other.of != "" and (self.factor, self.zero) == (other.factor, other.zero)


class Substance(_Row):
    """Substance of a conversion between mass and moles: molar mass in g/mol, and charge of the ion where known."""

    molar_mass: Number | None = None
    charge: int | None = None


class Refusal(_Row):
    """Largest share of values with an unknown unit before features are refused."""

    share: float = Field(ge=0, le=1)
    least: int = Field(ge=1)


class UnitTable(_Row):
    """The units table."""

    version: int
    refusal: Refusal
    units: dict[str, Unit]
    characters: dict[str, str]
    atoms: dict[str, tuple[str, ...]]
    annotations: tuple[str, ...]
    not_converted: frozenset[str]
    no_unit: frozenset[str]
    without_unit: dict[str, tuple[str, ...]]

    @model_validator(mode="after")
    def _has_the_units(self) -> "UnitTable":
        unknown = sorted(set(self.without_unit) - set(self.units))
        if unknown:
            raise ValueError(f"without_unit names {', '.join(unknown)}, which is not among the units; add it there")
        return self


class Spellings:
    """Spellings of units, each with the UCUM code of a unit of the table or nothing.

    Parameters
    ----------
    table : UnitTable
        The units, their spellings and those of their parts.

    Raises
    ------
    ValueError
        When one spelling is given to two units.
    """

    def __init__(self, table: UnitTable) -> None:
        words = "|".join(map(re.escape, sorted(table.annotations, key=len, reverse=True)))
        self._annotation = re.compile(rf"\{{({words})\}}|(?<![\w{{])({words})(?![\w}}])", re.IGNORECASE)
        self._not_converted = table.not_converted
        self._same = str.maketrans(table.characters)
        atoms = {name: [self._tidy(one) for one in (name, *also)] for name, also in table.atoms.items()}
        self._atoms = _exact(
            (name, {*some, *(one.casefold() for one in some if len(one) > 1)}) for name, some in atoms.items()
        )
        whole = [(name, (name, *unit.also)) for name, unit in table.units.items()]
        self._whole = _exact((name, map(self._tidy, spellings)) for name, spellings in whole)
        in_atoms = [(name, [self._in_atoms(self._tidy(one)) for one in some]) for name, some in whole]
        self._parts = _exact(
            (name, [one for one in some if self._whole.get(one, name) == name]) for name, some in in_atoms
        )
        either: dict[str, set[str]] = {}
        for spelling, name in (*self._whole.items(), *self._parts.items()):
            if len(spelling) > 1:
                either.setdefault(spelling.casefold(), set()).add(name)
        self._folded = {spelling: min(names) for spelling, names in either.items() if len(names) == 1}
        self._known: dict[str, str | None] = {}

    def meaning(self, spelling: str) -> str | None:
        """Return the UCUM code of a unit that is written in any of its ways."""
        if spelling not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[spelling] = self._find(spelling) if len(spelling) <= LONGEST else None
        return self._known[spelling]

    def never_converted(self, spelling: str) -> bool:
        """Return whether a spelling names a unit that must not be taken for another: a logarithm, say."""
        return not self._not_converted.isdisjoint(re.findall(r"[a-z]+[0-9]*", spelling.casefold()))

    def _find(self, spelling: str) -> str | None:
        if self.never_converted(spelling):
            return None
        for written in (spelling, self._annotation.sub("", spelling)):
            tidy = self._tidy(written)
            parts = self._in_atoms(tidy)
            name = self._whole.get(tidy) or self._parts.get(parts)
            name = name or self._folded.get(tidy.casefold()) or self._folded.get(parts.casefold())
            if name is not None:
                return name
        return None

    def _tidy(self, spelling: str) -> str:
        """Return a spelling without spaces, in plain letters, ``/`` for "per" and ``10*n`` for powers of ten."""
        raised = _RAISED.sub(_power, spelling.translate(self._same))
        plain = unicodedata.normalize("NFKC", raised).translate(self._same)
        joined = "".join(_PER.sub("/", plain).split()).rstrip(".")
        return _POWER.sub(r"10*\g<power>", _INVERSE.sub(r"/\1", joined), count=1)

    def _in_atoms(self, tidy: str) -> str:
        atoms = self._atoms
        return "/".join(
            atoms.get(part) or (atoms.get(part.casefold(), part) if len(part) > 1 else part) for part in tidy.split("/")
        )


class Units:
    """The units table with its lookups.

    Parameters
    ----------
    table : UnitTable
        The whole table.
    digest : str
        The hash of its file.
    """

    def __init__(self, table: UnitTable, digest: str) -> None:
        self.table = table
        self.digest = digest
        self.spellings = Spellings(table)
        self.unit_without = {code: unit for unit, codes in table.without_unit.items() for code in codes}
        """The unit of a number without one, by the LOINC code of what is measured."""
        self._conversions: dict[tuple[object, ...], dict[str, Conversion]] = {}

    def same_number(self, one: str, other: str) -> bool:
        """Return whether a number means the same in two units, whatever is measured."""
        return one == other or self.table.units[one].equals(self.table.units[other])

    def conversions(self, unit: str, *, recorded: Substance, reported: Substance) -> Mapping[str, Conversion]:
        """Return every unit that converts to another, with how.

        Parameters
        ----------
        unit : str
            The unit to convert to.
        recorded : Substance
            What the recorded number is of.
        reported : Substance
            What the number in ``unit`` is to be of, where a mole of one has a mole of the other (urea, its nitrogen).
        """
        asked = unit, recorded.molar_mass, recorded.charge, reported.molar_mass, reported.charge
        if asked in self._conversions:
            return self._conversions[asked]
        target = self.table.units[unit]
        result = self._conversions[asked] = {}
        for name, source in self.table.units.items():
            scale = _between(source.of, target.of, recorded, reported)
            if scale is not None:
                factor = scale * source.factor / target.factor
                result[name] = Conversion(float(factor), float(source.zero - target.zero / factor))
        return result


def _between(source: str, target: str, recorded: Substance, reported: Substance) -> Fraction | None:
    """Return what a base unit of one quantity is in the base unit of another; nothing when they do not convert."""
    if not source or not target:
        return None
    moles = {
        SUBSTANCE: Fraction(1),
        MASS: 1 / recorded.molar_mass if recorded.molar_mass else None,
        EQUIVALENTS: Fraction(1, recorded.charge) if recorded.charge else None,
    }
    per_mole = {SUBSTANCE: Fraction(1), MASS: reported.molar_mass, EQUIVALENTS: reported.charge}
    factors = moles.get(source), per_mole.get(target)
    if factors[0] and factors[1]:
        return factors[0] * factors[1]
    return Fraction(1) if source == target else None


def _power(found: re.Match[str]) -> str:
    return "*" + unicodedata.normalize("NFKC", found[0]).strip()


def _exact(rows: Iterable[tuple[str, Iterable[str]]]) -> dict[str, str]:
    units_of: dict[str, str] = {}
    for name, spellings in rows:
        for spelling in spellings:
            if units_of.setdefault(spelling, name) != name:
                raise ValueError(
                    f"model/definitions/units.yaml gives {spelling} to {units_of[spelling]} and {name}; remove one"
                )
    return units_of


@functools.cache
def units() -> Units:
    """Read the table that ships with the package."""
    content = UNITS_FILE.read_bytes()
    return Units(UnitTable.model_validate(yaml.safe_load(content)), content_digest(content))
