"""Use of a record by status, intent and modifiers (``model/fhir/record_use.yaml``)."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from model.fhir.resource_types import ACCEPTED
from model.io.json_elements import Resource
from model.io.yaml_tables import content_digest

RECORD_USE_FILE = Path(__file__).parent / "record_use.yaml"
PRESENT = "present"

Use = Literal["used", "excluded", "refused"]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Row):
    """A use rule: the resources that it matches, and their use."""

    where: dict[str, tuple[str, ...]]
    use: Use
    reason: str = ""
    why: str

    @model_validator(mode="after")
    def _reasoned(self) -> "Rule":
        if self.use != "used" and not self.reason:
            raise ValueError("what is not used needs a reason, by which it is counted")
        if len(self.where) > 1:
            raise ValueError("a row asks for one element")
        return self


class DateLimits(_Row):
    """Plausible date ranges."""

    years: tuple[int, int]
    oldest_age: int = Field(gt=0, le=150)
    before_birth_days: int = Field(ge=0)
    after_extract_days: int = Field(ge=0)
    silence_days: int = Field(gt=0)
    silence_patients: int = Field(gt=0)
    silence_share: float = Field(gt=0, lt=1)
    death_hours: float = Field(ge=0)


class ShareLimit(_Row):
    """Largest share of a type's resources that may be excluded for one reason, and the message of a refusal."""

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
    """Element other than ``class`` by which a source codes the kind of an encounter."""

    encounter_class: str = Field(alias="class")
    identifier: str | None = None
    profile: str | None = None
    disposition: str | None = None

    def fits(self, encounter: Resource) -> bool:
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
    """The use rules of all resource types."""

    version: int
    any: tuple[Rule, ...]
    types: dict[str, tuple[Rule, ...]]
    dates: DateLimits
    limits: ShareLimits
    encounter_sources: tuple[EncounterSource, ...]

    @model_validator(mode="after")
    def _each_ends_with_a_rule(self) -> "RecordUse":
        if self.types.keys() != set(ACCEPTED):
            raise ValueError(f"types: {sorted(self.types.keys() ^ set(ACCEPTED))} are not in both tables of types")
        for kind, rules in self.types.items():
            *rows, last = rules
            if last.where or not all(row.where for row in (*self.any, *rows)):
                raise ValueError(f"the last row of {kind}, and no other, fits every resource (where: {{}})")
        return self

    def rules(self, kind: str) -> tuple[Rule, ...]:
        """Return the rows of a resource type, those of every type first."""
        return self.any + self.types[kind]


@functools.cache
def record_use() -> RecordUse:
    """Read the table that ships with the package."""
    return RecordUse.model_validate(yaml.safe_load(RECORD_USE_FILE.read_bytes()))


@functools.cache
def digest() -> str:
    """Return the hash of the table."""
    return content_digest(RECORD_USE_FILE.read_bytes())


def rule_for(resource: Resource, kind: str) -> Rule:
    """Return the first row that fits a valid resource of a kind."""
    compiled = _compiled(kind)
    for element, by_code, if_present in compiled.steps:
        value = resource.get(element)
        if value is None:
            continue
        if if_present is not None:
            return if_present
        rule = by_code.get(value) if type(value) is str else _of_codes(by_code, value)
        if rule is not None:
            return rule
    return compiled.otherwise


def encounter_class(encounter: Resource) -> str | None:
    """Return the class that the source of an encounter implies; nothing where its own class says it."""
    for source in record_use().encounter_sources:
        if source.fits(encounter):
            return source.encounter_class
    return None


@dataclass(frozen=True)
class _Compiled:
    """The rows of a resource type, those that ask one element after another put together for a quick look-up."""

    steps: tuple[tuple[str, Mapping[str, Rule], Rule | None], ...]
    otherwise: Rule


@functools.cache
def _compiled(kind: str) -> _Compiled:
    *rows, last = record_use().rules(kind)
    steps: list[tuple[str, dict[str, Rule], Rule | None]] = []
    for row in rows:
        ((element, values),) = row.where.items()
        if values == (PRESENT,):
            steps.append((element, {}, row))
        elif steps and steps[-1][0] == element and steps[-1][2] is None:
            steps[-1][1].update({value: row for value in values if value not in steps[-1][1]})
        else:
            steps.append((element, dict.fromkeys(values, row), None))
    return _Compiled(tuple(steps), last)


def _of_codes(by_code: Mapping[str, Rule], value: object) -> Rule | None:
    """Return the row for a boolean, or for a code of a CodeableConcept in whatever system, in lower case."""
    if isinstance(value, bool):
        return by_code.get(str(value).lower())
    codings = value.get("coding") if isinstance(value, dict) else None
    for one in codings or ():
        rule = by_code.get(str(one.get("code")).strip().lower()) if isinstance(one, dict) else None
        if rule is not None:
            return rule
    return None
