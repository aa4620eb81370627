"""What a record may be used for (``model/record_use.yaml``): status, intent and modifiers by resource type."""

import functools
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

RECORD_USE_FILE = Path(__file__).parent.parent / "record_use.yaml"
PRESENT, ABSENT = "present", "absent"

Use = Literal["used", "excluded", "refused"]
Fits = Callable[[dict[str, Any]], bool]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Row):
    """One row: which resources it fits, and what becomes of them."""

    where: dict[str, tuple[str, ...]]
    use: Use
    reason: str = ""
    why: str

    @model_validator(mode="after")
    def _reasoned(self) -> "Rule":
        if self.use != "used" and not self.reason:
            raise ValueError("what is not used needs a reason, by which it is counted")
        return self


class DateLimits(_Row):
    """Which dates are plausible."""

    years: tuple[int, int]
    oldest_age: int = Field(gt=0, le=150)
    before_birth_days: int = Field(ge=0)
    after_extract_days: int = Field(ge=0)
    silence_days: int = Field(gt=0)
    silence_patients: int = Field(gt=0)
    silence_share: float = Field(gt=0, lt=1)
    death_hours: float = Field(ge=0)


class ShareLimit(_Row):
    """How large a share of a type's resources may be excluded for one reason, and how a refusal says it."""

    share: float = Field(ge=0, le=1)
    needs: str
    fix: str
    none: bool = False
    """Whether an extract of any size is refused when nothing of the type is left."""


class ShareLimits(_Row):
    """The limits, by ``<resource type>.<reason>``."""

    least: int = Field(gt=0)
    shares: dict[str, ShareLimit]


class EncounterSource(_Row):
    """How a source tells what an encounter is by something else than its class."""

    encounter_class: str = Field(alias="class")
    identifier: str | None = None
    profile: str | None = None
    disposition: str | None = None

    def fits(self, encounter: dict[str, Any]) -> bool:
        """Return whether an encounter comes from this source."""
        if self.identifier is not None:
            return any(one.get("system") == self.identifier for one in encounter.get("identifier") or ())
        if self.profile is not None:
            profiles = (encounter.get("meta") or {}).get("profile") or ()
            return any(str(one).partition("|")[0] == self.profile for one in profiles)
        hospitalization = encounter.get("hospitalization") or {}
        codings = (hospitalization.get("dischargeDisposition") or {}).get("coding") or ()
        return any(one.get("system") == self.disposition for one in codings)


class RecordUse(_Row):
    """The whole table."""

    version: int
    any: tuple[Rule, ...]
    Patient: tuple[Rule, ...]
    Encounter: tuple[Rule, ...]
    Condition: tuple[Rule, ...]
    Observation: tuple[Rule, ...]
    MedicationRequest: tuple[Rule, ...]
    Coverage: tuple[Rule, ...]
    dates: DateLimits
    limits: ShareLimits
    encounter_sources: tuple[EncounterSource, ...]

    def rules(self, kind: str) -> tuple[Rule, ...]:
        """Return the rows of a resource type, those of every type first."""
        own: tuple[Rule, ...] = getattr(self, kind)
        return self.any + own


@functools.cache
def record_use() -> RecordUse:
    """Read the table that ships with the package."""
    return RecordUse.model_validate(yaml.safe_load(RECORD_USE_FILE.read_bytes()))


@functools.cache
def digest() -> str:
    """Return the hash of the table."""
    return hashlib.sha256(RECORD_USE_FILE.read_bytes()).hexdigest()


def rule_for(resource: dict[str, Any], kind: str) -> Rule:
    """Return the first row that fits a valid resource of a kind."""
    for fits, rule in _compiled(kind):
        if fits(resource):
            return rule
    raise LookupError(f"model/record_use.yaml has no row for every {kind}")


def encounter_class(encounter: dict[str, Any]) -> str | None:
    """Return the class that the source of an encounter implies; nothing where its own class says it."""
    for source in record_use().encounter_sources:
        if source.fits(encounter):
            return source.encounter_class
    return None


@functools.cache
def _compiled(kind: str) -> tuple[tuple[Fits, Rule], ...]:
    return tuple((_all(rule.where), rule) for rule in record_use().rules(kind))


def _all(where: Mapping[str, tuple[str, ...]]) -> Fits:
    tests = tuple((element, _one(values)) for element, values in where.items())
    return lambda resource: all(test(resource.get(element)) for element, test in tests)


def _one(values: tuple[str, ...]) -> Callable[[Any], bool]:
    if values == (PRESENT,):
        return lambda value: value is not None
    if values == (ABSENT,):
        return lambda value: value is None
    wanted = frozenset(values)
    return lambda value: value is not None and not wanted.isdisjoint(_codes(value))


def _codes(value: Any) -> set[str]:
    """Return a code, a boolean, or the codes of a CodeableConcept in whatever system, in lower case."""
    if isinstance(value, bool):
        return {str(value).lower()}
    if isinstance(value, str):
        return {value}
    codings = value.get("coding") if isinstance(value, dict) else None
    return {str(one.get("code")).strip().lower() for one in codings or () if isinstance(one, dict)}
