"""Training settings (``settings.yaml``), typed."""

import functools
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

SETTINGS_FILE = Path(__file__).parent / "settings.yaml"


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitRule(_Row):
    """Train-test split settings."""

    test_parts: int = Field(ge=2)
    later_from: float = Field(gt=0, lt=1)


class SelectionRule(_Row):
    """Model selection rule."""

    simpler: str
    margin: float = Field(ge=0)
    resamples: int = Field(ge=50)


class LinearGrid(_Row):
    """Hyperparameter grid of logistic regression; the first of each is the starting point."""

    penalties: tuple[float, ...]
    bins: tuple[int, ...]
    class_weights: tuple[Literal["balanced"] | None, ...]


class Shape(_Row):
    """Hyperparameter grid of HistGradientBoostingClassifier."""

    learning_rate: float
    max_leaf_nodes: int
    min_samples_leaf: int
    l2_regularization: float
    max_features: float


class BoostingGrid(_Row):
    """Tuning settings of boosting."""

    least_readmissions: int
    most_trees: int
    patience: int
    shapes: tuple[Shape, ...]


class Band(_Row):
    """One group of an attribute: the rows where a column has a value, or lies in a range."""

    name: str
    column: str
    equals: float | None = Field(default=None, alias="is")
    at_least: float | None = Field(default=None, alias="from")
    below: float | None = None


class LeakRule(_Row):
    """Thresholds of target leakage and of suspected leakage."""

    copy_above: float = Field(gt=0.5, lt=1)
    suspect_above: float = Field(gt=0.5, lt=1)
    lead: float = Field(gt=0)
    lead_declared: float = Field(gt=0)
    lead_of_median: float = Field(gt=0)
    parts: int = Field(ge=2)


class Settings(_Row):
    """All training settings."""

    version: int
    split: SplitRule
    folds: int = Field(ge=2)
    tuning_folds: int = Field(ge=2)
    tuning_rows: int
    rule: SelectionRule
    leak: LeakRule
    linear: LinearGrid
    boosting: BoostingGrid
    groups: dict[str, tuple[Band, ...]]


@functools.cache
def settings() -> Settings:
    """Read the table that ships with the package."""
    return Settings.model_validate(yaml.safe_load(SETTINGS_FILE.read_bytes()))
