"""The table of codes (``codes.yaml``): what a coordinator may choose, and its words."""

from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.planning import feedback
from services.planning.feedback import Direction

TABLE = Path(__file__).with_name("codes.yaml")
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{1,39}$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Choices = Annotated[dict[Code, Words], Field(min_length=1)]


class Codes(BaseModel):
    """All codes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stale_after_hours: float = Field(gt=0)
    due_within_days: int = Field(ge=1)
    interventions: Choices
    contacts: Choices
    overrides: dict[Direction, Words]
    outcomes: Choices
    break_glass: Choices
    fallback_reasons: Choices
    not_scored_reasons: Choices

    @staticmethod
    def reasons(direction: Direction) -> dict[str, str]:
        """Return the reasons to override a score in a direction, with their words."""
        return {code: row.meaning[0].upper() + row.meaning[1:] for code, row in feedback.overrides(direction).items()}

    @staticmethod
    def direction(reason: str) -> Direction | None:
        """Return the direction of an override's reason."""
        row = feedback.overrides().get(reason)
        return row.direction if row else None

    def words(self, kind: str, code: str) -> str:
        """Return the words of a code of an event."""
        choices = {
            "intervention": self.interventions,
            "contact": self.contacts,
            "close": self.outcomes,
            "break-glass": self.break_glass,
            "override": {**self.reasons("raised"), **self.reasons("lowered")},
        }.get(kind, {})
        return choices.get(code, code)


@cache
def read(path: Path = TABLE) -> Codes:
    """Read the table."""
    return Codes.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
