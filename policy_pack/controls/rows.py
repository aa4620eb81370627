"""The controls as rows: what each is called, which paragraph it serves, and how much it weighs."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from policy_pack.settings import Level, Settings

TABLE = Path(__file__).with_name("controls.yaml")
NPRM = "nprm-2025"
FRAMEWORK = "HIPAA Security Rule"
_STRICT = ConfigDict(extra="forbid")


class Severity(StrEnum):
    """How bad a violation is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@checked(frozen=True, config=_STRICT)
class Row:
    """One control.

    Parameters
    ----------
    id, title, check, remediation
        What it is and how to mend a violation.
    citations
        Paragraphs of 45 CFR in force.
    specification
        required, addressable, standard, or none where the paragraph is outside the security rule.
    proposed
        Paragraphs of 45 CFR 164 in the proposal of 2025, which is not law.
    besides
        Other rules that it serves.
    severity, level, profile
        How bad a violation is, what it does, and which profile switches it.
    evidence
        What the stack alone cannot show.
    checkov
        Checks of checkov that look at the same thing; what AWS Config asks is in aws_rules.yaml.
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
    besides: tuple[str, ...] = ()
    evidence: str = ""
    checkov: tuple[str, ...] = ()

    def citation(self, settings: Settings) -> str:
        """Return what is cited; the proposal only where its profile is on, marked as what it is."""
        law = [f"45 CFR {paragraph}" for paragraph in self.citations]
        on = settings.profiles.get(NPRM, Level.ADVISORY) is not Level.OFF
        return "; ".join([*law, *self.besides, *(self.proposals() if on else ())])

    def proposals(self) -> tuple[str, ...]:
        """Return the proposal's paragraphs, each marked as what it is and, where nobody checked its number, as that."""
        known = table().verified
        marks = {paragraph: "proposed" if paragraph in known else "proposed, unverified" for paragraph in self.proposed}
        return tuple(f"164.{paragraph} ({mark})" for paragraph, mark in marks.items())

    def held(self, settings: Settings) -> Level:
        """Return the level at which the settings hold it: its own, lowered or switched off by its profile.

        The proposal's rows follow their profile alone, as they can be made mandatory before the law does.
        """
        profile = settings.profiles.get(self.profile, Level.ADVISORY if self.profile == NPRM else Level.MANDATORY)
        if self.profile == NPRM or profile is Level.OFF:
            return profile
        return Level.ADVISORY if Level.ADVISORY in (profile, self.level) else Level.MANDATORY


@checked(frozen=True, config=_STRICT)
class _Written:
    verified: tuple[str, ...]
    controls: tuple[Row, ...]


@dataclass(frozen=True)
class Table:
    """All rows, and the paragraphs of the proposal whose numbers have been checked against its text."""

    rows: dict[str, Row]
    verified: frozenset[str]


@cache
def table() -> Table:
    """Return the controls."""
    written = TypeAdapter(_Written).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))
    rows = {row.id: row for row in written.controls}
    if len(rows) != len(written.controls):
        raise ValueError("controls.yaml has two rows of one id")
    return Table(rows, frozenset(written.verified))
