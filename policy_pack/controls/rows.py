"""The table of controls: title, citations, severity, level and remediation of each."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables
from policy_pack.settings import NPRM, Level, Settings

TABLE = Path(__file__).with_name("controls.yaml")
FRAMEWORK = "HIPAA Security Rule"
_STRICT = ConfigDict(extra="forbid")


class Severity(StrEnum):
    """The severity of a violation."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@validated(frozen=True, config=_STRICT)
class Control:
    """One control.

    Parameters
    ----------
    id, title, check, remediation
        The control, its requirement, and how to correct a violation.
    citations
        Paragraphs of 45 CFR in force.
    specification
        required, addressable or standard; none where the paragraph is outside the Security Rule.
    proposed
        Paragraphs of 45 CFR 164 in the proposed rule of 2025, which is not in force.
    other_rules
        Other rules that the control serves.
    severity, level, profile
        The severity of a violation, its effect, and the profile that switches the control.
    not_in_stack
        What the stack alone cannot show.
    checkov
        Checks of checkov for the same requirement; the rules of AWS Config are in aws_rules.yaml.
    """

    id: str
    title: str
    check: str
    remediation: str
    severity: Severity
    level: Level
    profile: str
    citations: tuple[str, ...] = ()
    specification: str = "none"
    proposed: tuple[str, ...] = ()
    other_rules: tuple[str, ...] = ()
    not_in_stack: str = ""
    checkov: tuple[str, ...] = ()

    def citation(self, settings: Settings) -> str:
        """Return the citations; those of the proposed rule are included and marked while its profile is on."""
        in_force = [f"45 CFR {paragraph}" for paragraph in self.citations]
        profile_on = settings.profiles.get(NPRM, Level.ADVISORY) is not Level.OFF
        return "; ".join([*in_force, *self.other_rules, *(self.proposals() if profile_on else ())])

    def proposals(self) -> tuple[str, ...]:
        """Return the paragraphs of the proposed rule, marked as unverified where the number was not verified."""
        verified = table().verified
        marks = {number: "proposed" if number in verified else "proposed, unverified" for number in self.proposed}
        return tuple(f"164.{paragraph} ({mark})" for paragraph, mark in marks.items())

    def effective_level(self, settings: Settings) -> Level:
        """Return the level of the control, lowered or switched off by its profile.

        Controls of the proposed rule have the level of their profile, so that they can be mandatory before it is law.
        """
        profile = settings.profiles.get(self.profile, Level.ADVISORY if self.profile == NPRM else Level.MANDATORY)
        if self.profile == NPRM or profile is Level.OFF:
            return profile
        return Level.ADVISORY if Level.ADVISORY in (profile, self.level) else Level.MANDATORY


@validated(frozen=True, config=_STRICT)
class _File:
    verified: tuple[str, ...]
    controls: tuple[Control, ...]


@dataclass(frozen=True)
class ControlTable:
    """All controls, and the paragraphs of the proposed rule whose numbers are verified against its text."""

    rows: dict[str, Control]
    verified: frozenset[str]


@cache
def table() -> ControlTable:
    """Return the table of controls."""
    file = tables.read(TypeAdapter(_File).validate_python, TABLE)
    rows = {control.id: control for control in file.controls}
    if len(rows) != len(file.controls):
        raise ValueError("controls.yaml has two controls with the same id")
    return ControlTable(rows, frozenset(file.verified))
