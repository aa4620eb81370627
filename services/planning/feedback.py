"""The codes of feedback on a score (``feedback.yaml``)."""

from functools import cache
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

TABLE = Path(__file__).with_name("feedback.yaml")


Direction = Literal["raised", "lowered"]
OVERRIDDEN: Literal["overridden"] = "overridden"


class Code(BaseModel):
    """A code: whether the clinician accepted, overrode or ignored the score, and what it means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["accepted", "overridden", "ignored"]
    direction: Direction | None = None
    meaning: str = Field(min_length=1)

    @model_validator(mode="after")
    def _overrides_have_a_direction(self) -> Self:
        if (self.kind == OVERRIDDEN) != (self.direction is not None):
            raise ValueError("an override has a direction, and no other code has one")
        return self


@cache
def codes() -> dict[str, Code]:
    """Return the codes in the order of the table."""
    return TypeAdapter(dict[str, Code]).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def overrides(direction: Direction | None = None) -> dict[str, Code]:
    """Return the codes of overrides, of one direction if it is given."""
    return {
        name: code for name, code in codes().items() if code.kind == OVERRIDDEN and direction in (None, code.direction)
    }
