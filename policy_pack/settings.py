"""Settings of the pack: conventions of the stacks, profiles, allowed services and exemptions."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from policy_pack import clock, tables

HIPAA: Final = "hipaa"
NPRM: Final = "nprm-2025"
FOLDER = Path(__file__).parent
DEFAULT = FOLDER / "settings.yaml"
"""The reviewed file: it alone may exempt, lower a level or allow a service."""
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _day(value: object) -> object:
    return value.date() if isinstance(value, datetime) else value


Day = Annotated[date, BeforeValidator(_day)]


class Level(StrEnum):
    """The effect of a violation: a mandatory one stops the update, an advisory one is shown."""

    MANDATORY = "mandatory"
    ADVISORY = "advisory"
    OFF = "off"


def _level(value: object) -> object:
    """Return the level as text: YAML 1.1 reads ``off`` as false."""
    return Level.OFF if value is False else value


WrittenLevel = Annotated[Level, BeforeValidator(_level)]
_WILDCARDS = re.compile(r"\[[^\]]*\]|[*?]")
_SPECIFIC = re.compile(r"[^\W_]{3,}")


class Exemption(_Strict):
    """An exemption from one control, with a reason, an approver and an expiry date.

    Parameters
    ----------
    control
        The id of the control.
    kind
        The kind (type without version) of the resources.
    resource
        A glob pattern for the name of the resources, or a URN.
    finding
        A glob pattern for the finding, where the control has others of which the stack is not exempt.
    reason, owner, approver, ticket
        The reason, who is responsible, who else approved it, and where that is recorded.
    expires
        The last day on which it is in force, at most a year ahead.
    stacks
        The stacks to which it applies.
    """

    control: Text
    kind: Text
    resource: Text
    finding: Text = "*"
    reason: Text
    owner: Text
    approver: Text
    ticket: Text
    expires: Day
    stacks: tuple[Text, ...] = Field(min_length=1)

    @field_validator("resource")
    @classmethod
    def _specific(cls, pattern: str) -> str:
        if not any(_SPECIFIC.search(part) for part in _WILDCARDS.split(pattern)):
            raise ValueError("matches any name; name the resource, or at least three letters of it")
        return pattern

    @model_validator(mode="after")
    def _two_people(self) -> Self:
        if self.owner.casefold() == self.approver.casefold():
            raise ValueError("owner and approver must be different")
        return self


class Evidence(_Strict):
    """The dates of the last scan, test, audit and review, which a stack cannot show; None where there is no date."""

    vulnerability_scan: Day | None = None
    penetration_test: Day | None = None
    compliance_audit: Day | None = None
    inventory_review: Day | None = None


class Services(_Strict):
    """The allow list of providers, AWS services, regions, EKS versions and registries, and the denied ports."""

    packages: dict[str, str]
    aws: dict[str, str]
    regions: tuple[str, ...]
    eks_versions: tuple[str, ...]
    registries: tuple[str, ...]
    denied_ports: dict[int, str]


class Written(_Strict):
    """The settings that a file may have.

    Parameters
    ----------
    prefix
        The prefix of tags, labels and annotations.
    synthetic
        Stacks with synthetic data only, where deletion protection and clinical gates are not required.
    profiles
        The level of each profile of controls; the rule in force (``hipaa``) is mandatory.
    data_classes
        Data classes of buckets, and whether each contains PHI.
    services
        The allow list of services.
    evidence
        The dates that no stack can show.
    exemptions
        The exemptions.
    releases
        A folder with model releases, so that gates are also checked on the files of a release.
    """

    prefix: Text = "healthcare-mlops"
    synthetic: tuple[str, ...] = ()
    profiles: dict[str, WrittenLevel] = Field(default_factory=dict)
    data_classes: dict[str, bool] = Field(default_factory=dict)
    services: Services
    evidence: Evidence = Evidence()
    exemptions: tuple[Exemption, ...] = ()
    releases: Path | None = None

    @field_validator("profiles")
    @classmethod
    def _in_force(cls, profiles: dict[str, Level]) -> dict[str, Level]:
        unknown = sorted(profiles.keys() - {HIPAA, NPRM})
        if unknown:
            raise ValueError(f"unknown profile {unknown[0]}; use {HIPAA} or {NPRM}")
        if profiles.get(HIPAA, Level.MANDATORY) is not Level.MANDATORY:
            raise ValueError("hipaa is the rule in force and stays mandatory; exempt single resources instead")
        return profiles


class Settings(Written):
    """The settings of the pack, with the table of access and the date of the evaluation.

    Parameters
    ----------
    access
        The table of access.
    today
        The date by which ages and exemptions are evaluated.
    clock_problem
        Why the clock of this machine is wrong; empty where it is not known to be.
    """

    access: Path = FOLDER / "access.yaml"
    today: Day = Field(default_factory=clock.today)
    clock_problem: str = ""

    def not_before(self, earliest: clock.Earliest | None) -> "Settings":
        """Return the settings of a date that is no earlier than another, which has passed."""
        if earliest is None or earliest.day <= self.today:
            return self
        problem = f"the clock of this machine says {self.today}, but {earliest.source} on {earliest.day}"
        return self.model_copy(update={"today": earliest.day, "clock_problem": problem})

    def phi(self, data_class: str) -> bool:
        """Return whether a data class contains PHI; an unknown class does."""
        return self.data_classes.get(data_class, True)

    def is_synthetic(self, stack: str) -> bool:
        """Return whether a stack has synthetic data only."""
        return stack in self.synthetic


@cache
def _services() -> dict[str, Any]:
    return tables.read(dict, FOLDER / "services.yaml")


def load(path: Path = DEFAULT) -> Settings:
    """Read the settings from a YAML or JSON file.

    Raises
    ------
    PackError
        When the file does not exist or has an unknown setting.
    """
    return parse(tables.document(path), str(path)).not_before(clock.earliest(DEFAULT))


def parse(document: Any, source: str) -> Settings:
    """Return settings from plain values; ``source`` is their name in messages."""
    return Settings(**dict(tables.formed(_written, source, document)))


def _written(document: Any) -> Written:
    if document is not None and not isinstance(document, Mapping):
        raise ValueError("it must be a map of settings, such as exemptions: []")
    return Written.model_validate({"services": _services(), **(document or {})})
