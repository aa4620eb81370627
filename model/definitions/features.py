"""Feature definitions and value sets (``features.yaml``, ``comorbidities.yaml``, ``measurements.yaml``), typed."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from model.definitions.units import UNITS_FILE, Conversion, Substance, units
from model.io.yaml_tables import content_digest

HERE = Path(__file__).parent
DEFINITIONS_FILE = HERE / "features.yaml"
COMORBIDITIES_FILE = HERE / "comorbidities.yaml"
MEASUREMENTS_FILE = HERE / "measurements.yaml"
KEYS = ("hospital", "patient_id", "index_id", "admitted_at", "discharged_at")
BASELINE = "lace"
LABEL = "readmitted"
GROUPS = ("race", "ethnicity", "payer", "deprivation")
"""Attributes that a features file has beside the features, to compare groups of patients by; never features."""

Kind = Literal[
    "age",
    "sex",
    "days",
    "emergency",
    "elective",
    "encounter_class",
    "disposition",
    "prior_stays",
    "prior_visits",
    "comorbidity",
    "charlson",
    "lab",
    "drugs",
    "missing",
]
Window = Literal["day", "stay", "year"]
WINDOWS: tuple[Window, ...] = ("day", "stay", "year")


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Planned(_Row):
    """Rule for planned stays, and whether a planned return is a readmission."""

    priorities: tuple[str, ...]
    count_as_return: bool


class StayRules(_Row):
    """Rules for stays, transfers, emergency admissions and readmissions."""

    classes: tuple[str, ...]
    visits: tuple[str, ...]
    over: tuple[str, ...]
    ongoing: tuple[str, ...]
    transfer: tuple[str, ...]
    transfer_hours: float
    adjacent_hours: float
    shortest_hours: float
    died: tuple[str, ...]
    procurement_days: int
    hospice: tuple[str, ...]
    emergency_source: tuple[str, ...]
    emergency_priority: tuple[str, ...]
    emergency_hours: float
    return_days: int = Field(ge=1, description="the readmission window; every other place derives it from here")
    planned: Planned


class Lace(_Row):
    """The points of the LACE index."""

    days: tuple[tuple[int, int], ...]
    days_beyond: int
    acute: int
    comorbidity: tuple[int, ...]
    comorbidity_beyond: int
    visits: int


class Feature(_Row):
    """A feature definition."""

    name: str
    kind: Kind
    unit: str
    source: str
    window: str
    meaning: str
    codes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    days: int = 0
    lab: str = ""
    take: Literal["last", "max", "min"] = "last"
    of: str = ""


class CodeSet(Substance):
    """LOINC codes of one quantity, and the molar mass and charge of what they measure."""

    codes: tuple[str, ...]


class Measurement(Substance):
    """A measurement: its unit, LOINC codes and plausible range.

    Its molar mass is that of what ``unit`` counts, where a set measures something else (urea, not its nitrogen).
    """

    unit: str
    low: float
    high: float
    sets: tuple[CodeSet, ...]

    def conversions(self) -> dict[str, Mapping[str, Conversion]]:
        """Return by LOINC code how each unit converts to the measurement's own."""
        result: dict[str, Mapping[str, Conversion]] = {}
        for one in self.sets:
            unit_conversions = units().conversions(self.unit, recorded=one, reported=self if self.molar_mass else one)
            result |= dict.fromkeys(one.codes, unit_conversions)
        return result


class Comorbidity(_Row):
    """A Charlson comorbidity group."""

    weight: int
    lace: int
    replaces: str = ""
    icd10: tuple[str, ...]
    icd10cm: tuple[str, ...] = ()
    icd10gm: tuple[str, ...] = ()
    icd9cm: tuple[str, ...]
    snomed: tuple[str, ...]

    def stems(self) -> list[tuple[str, str]]:
        """Return the code system and prefix of each ICD row."""
        rows = [("icd10cm", stem) for stem in self.icd10 + self.icd10cm]
        rows += [("icd10gm", stem) for stem in self.icd10 + self.icd10gm]
        return rows + [("icd9cm", stem) for stem in self.icd9cm]


class Definitions(_Row):
    """All feature definitions."""

    version: int
    stay: StayRules
    lace: Lace
    features: tuple[Feature, ...]
    labs: dict[str, Measurement] = Field(description="by name, as measurements.yaml has them")
    comorbidities: dict[str, Comorbidity]

    @property
    def names(self) -> tuple[str, ...]:
        """The model's columns, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def lab_of(self) -> dict[str, str]:
        """The name of the measurement of each LOINC code."""
        return {code: name for name, lab in self.labs.items() for one in lab.sets for code in one.codes}

    def of_kind(self, *kinds: Kind) -> list[Feature]:
        """Return the features of some kinds."""
        return [feature for feature in self.features if feature.kind in kinds]

    def counting_planned(self, count: bool) -> "Definitions":
        """Return the same table with the other answer to whether a planned return is a readmission."""
        planned = self.stay.planned.model_copy(update={"count_as_return": count})
        return self.model_copy(update={"stay": self.stay.model_copy(update={"planned": planned})})


def group_column(attribute: str) -> str:
    """Return the column of a features file that holds the group of each row."""
    return f"group_{attribute}"


@functools.cache
def definitions() -> Definitions:
    """Read the tables that ship with the package."""
    table, comorbidities = (yaml.safe_load(file.read_bytes()) for file in (DEFINITIONS_FILE, COMORBIDITIES_FILE))
    return Definitions.model_validate(table | {"labs": measurements(), "comorbidities": comorbidities})


@functools.cache
def measurements() -> dict[str, Measurement]:
    """Read the measurements by name."""
    rows = yaml.safe_load(MEASUREMENTS_FILE.read_bytes())
    return {name: Measurement.model_validate(row) for name, row in rows.items()}


@functools.cache
def conversions() -> dict[str, Mapping[str, Conversion]]:
    """Return by LOINC code how each unit converts to the unit of the measurement."""
    return {code: conversion for one in measurements().values() for code, conversion in one.conversions().items()}


@functools.cache
def measurements_digest() -> str:
    """Return the hash of the measurements' table."""
    return content_digest(MEASUREMENTS_FILE.read_bytes())


@functools.cache
def digest() -> str:
    """Return the hash of the tables: two feature files with the same hash mean the same."""
    files = (DEFINITIONS_FILE, MEASUREMENTS_FILE, COMORBIDITIES_FILE, UNITS_FILE)
    return content_digest(*(file.read_bytes() for file in files))
