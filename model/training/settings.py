"""What training decides by (``settings.yaml``), typed."""

import functools
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

SETTINGS_FILE = Path(__file__).parent / "settings.yaml"


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitRule(_Row):
    """Who is kept for the evaluation."""

    test_parts: int = Field(ge=2)
    later_from: float = Field(gt=0, lt=1)
    horizon_days: int = Field(ge=0)


class LinearGrid(_Row):
    """What is tried for logistic regression."""

    penalties: tuple[float, ...]


class Band(_Row):
    """One group of an attribute: the rows where a column has a value, or lies in a range."""

    name: str
    column: str
    equals: float | None = Field(default=None, alias="is")
    at_least: float | None = Field(default=None, alias="from")
    below: float | None = None


class Settings(_Row):
    """The whole table."""

    version: int
    split: SplitRule
    folds: int = Field(ge=2)
    linear: LinearGrid
    groups: dict[str, tuple[Band, ...]]


@functools.cache
def settings() -> Settings:
    """Read the table that ships with the package."""
    return Settings.model_validate(yaml.safe_load(SETTINGS_FILE.read_bytes()))
