"""The table of codes (``codes.yaml``): what a coordinator may choose, and its words."""

from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

TABLE = Path(__file__).with_name("codes.yaml")
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{1,39}$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Choices = Annotated[dict[Code, Words], Field(min_length=1)]


class OverrideReason(BaseModel):
    """A reason to override a score, and the code of planning's feedback that it is reported as."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Words
    feedback: Code


class Direction(BaseModel):
    """A direction in which a person overrides a score, and the reasons for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Words
    reasons: Annotated[dict[Code, OverrideReason], Field(min_length=1)]


class Codes(BaseModel):
    """All codes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stale_after_hours: float = Field(gt=0)
    due_within_days: int = Field(ge=1)
    interventions: Choices
    contacts: Choices
    overrides: dict[Annotated[str, StringConstraints(pattern=r"^(raised|lowered)$")], Direction]
    outcomes: Choices
    break_glass: Choices
    fallback_reasons: Choices
    not_scored_reasons: Choices

    def direction(self, reason: str) -> str | None:
        """Return the direction of an override's reason."""
        return next((name for name, direction in self.overrides.items() if reason in direction.reasons), None)

    def words(self, kind: str, code: str) -> str:
        """Return the words of a code of an event."""
        choices = {
            "intervention": self.interventions,
            "contact": self.contacts,
            "close": self.outcomes,
            "break-glass": self.break_glass,
            "override": {
                code: reason.text for item in self.overrides.values() for code, reason in item.reasons.items()
            },
        }.get(kind, {})
        return choices.get(code, code)


@cache
def read(path: Path = TABLE) -> Codes:
    """Read the table."""
    return Codes.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
