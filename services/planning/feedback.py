"""The codes of feedback on a score (``feedback.yaml``)."""

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

TABLE = Path(__file__).with_name("feedback.yaml")


class Code(BaseModel):
    """A code: whether the clinician accepted, overrode or ignored the score, and what it means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["accepted", "overridden", "ignored"]
    meaning: str = Field(min_length=1)


@cache
def codes() -> dict[str, Code]:
    """Return the codes in the order of the table."""
    return TypeAdapter(dict[str, Code]).validate_python(yaml.safe_load(TABLE.read_text(encoding="utf-8")))
