"""The feature table (``definitions.yaml``), typed."""

import functools
import hashlib
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

DEFINITIONS_FILE = Path(__file__).parent / "definitions.yaml"
KEYS = ("hospital", "patient_id", "index_id", "admitted_at", "discharged_at")
BASELINE = "lace"
LABEL = "readmitted"

Kind = Literal[
    "age",
    "sex",
    "days",
    "emergency",
    "disposition",
    "prior_stays",
    "prior_visits",
    "comorbidity",
    "charlson",
    "lab",
    "drugs",
    "missing",
]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StayRules(_Row):
    """What counts as a stay, a transfer, an emergency and a return."""

    classes: tuple[str, ...]
    visits: tuple[str, ...]
    not_real: tuple[str, ...]
    transfer: tuple[str, ...]
    transfer_hours: int
    not_at_risk: tuple[str, ...]
    emergency_source: tuple[str, ...]
    emergency_hours: int
    return_days: int


class Feature(_Row):
    """One feature."""

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


class Lab(_Row):
    """One measurement: its codes, its unit and how other units convert."""

    unit: str
    codes: tuple[str, ...]
    units: dict[str, float]
    low: float
    high: float


class Comorbidity(_Row):
    """One Charlson group."""

    weight: int
    icd10cm: tuple[str, ...]
    snomed: tuple[str, ...]
    replaces: str = ""


class Definitions(_Row):
    """The whole table."""

    version: int
    stay: StayRules
    features: tuple[Feature, ...]
    labs: dict[str, Lab]
    comorbidities: dict[str, Comorbidity]

    @property
    def names(self) -> tuple[str, ...]:
        """The model's columns, in order."""
        return tuple(feature.name for feature in self.features)

    def of_kind(self, *kinds: Kind) -> list[Feature]:
        """Return the features of some kinds."""
        return [feature for feature in self.features if feature.kind in kinds]


@functools.cache
def definitions() -> Definitions:
    """Read the table that ships with the package."""
    return Definitions.model_validate(yaml.safe_load(DEFINITIONS_FILE.read_bytes()))


@functools.cache
def digest() -> str:
    """Return the hash of the table: two feature files with the same hash mean the same."""
    return hashlib.sha256(DEFINITIONS_FILE.read_bytes()).hexdigest()
