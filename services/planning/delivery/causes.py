"""The thresholds that stop a canary (``causes.yaml``)."""

from functools import cache
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.planning.delivery.evidence import ChangeTest

TABLE = Path(__file__).with_name("causes.yaml")

Level = Annotated[float, Field(gt=0, le=0.01)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ErrorRate(_Row):
    """Share of calls without an answer."""

    level: Level
    tolerated: float = Field(gt=0, lt=1)
    alternatives: tuple[float, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _above(self) -> Self:
        if not all(self.tolerated < share < 1 for share in self.alternatives):
            raise ValueError("an alternative is between the tolerated share and 1")
        return self

    def test(self) -> ChangeTest:
        """Return the test of this row, from the start."""
        return ChangeTest(self.tolerated, self.alternatives, self.level)


class _Odds(_Row):
    level: Level
    tolerated: float = Field(ge=1)
    alternatives: tuple[float, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _above(self) -> Self:
        if not all(self.tolerated < odds for odds in self.alternatives):
            raise ValueError("an alternative is above the tolerated odds")
        return self

    def test(self) -> ChangeTest:
        """Return the test of this row, from the start: of pairs in which one is marked, whether it is the canary's."""
        return ChangeTest(_share(self.tolerated), tuple(map(_share, self.alternatives)), self.level)


class Latency(_Odds):
    """Calls that take longer than a limit, in pairs."""

    milliseconds: float = Field(gt=0)


class OverrideRate(_Odds):
    """Encounters of which one is overridden first, in pairs."""


class ScoreShift(_Row):
    """Population stability index of the scores."""

    level: Level
    psi: float = Field(gt=0)
    bins: int = Field(ge=2, le=20)
    block: int = Field(ge=50)


class Causes(_Row):
    """The table."""

    error_rate: ErrorRate = Field(alias="error-rate")
    latency: Latency
    score_shift: ScoreShift = Field(alias="score-shift")
    override_rate: OverrideRate = Field(alias="override-rate")


@cache
def causes() -> Causes:
    """Return the table."""
    return Causes.model_validate(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def _share(odds: float) -> float:
    return odds / (1 + odds)
