"""One feature of a release's contract: its name, unit and possible values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.dataset.columns import OTHER, POINT, Column, Kind, NumberFormat


@dataclass(frozen=True)
class Feature:
    """A feature of the model.

    Parameters
    ----------
    name, meaning, unit : str
        What it is called, what it says, and in what unit.
    categories : tuple of str
        The levels of a category, whose codes are their places; empty for a number.
    least, most : float
        What can be at all; a value outside is refused.
    low, high : float
        What the training data held; a value outside is flagged. NaN where that is not known.
    usual : float
        The training data's median or most frequent code; NaN where nothing was recorded.
    written : NumberFormat
        How a hospital's own table writes the number.
    missing : tuple of str
        Words in lower case that mean a missing value in that table.
    """

    name: str
    meaning: str
    unit: str
    categories: tuple[str, ...]
    least: float
    most: float
    low: float
    high: float
    usual: float
    written: NumberFormat = POINT
    missing: tuple[str, ...] = ()

    @property
    def column(self) -> Column:
        """The feature as a column of a hospital's own table."""
        kind: Kind = "category" if self.categories else "numeric"
        return Column(self.name, kind, self.categories, self.written, self.missing)

    @property
    def named_by_numbers(self) -> bool:
        """Whether a number could be a level's name as well as its place."""
        return any(level.lstrip("+-").replace(".", "", 1).isdigit() for level in self.categories)

    def shown(self, value: float) -> str:
        """Return a value as a clinician reads it."""
        if math.isnan(value):
            return "not recorded"
        if self.categories:
            return self.categories[int(value)]
        if self.unit == "0/1":
            return "yes" if value else "no"
        return f"{value:.3g}" if self.unit in ("", "count", "points") else f"{value:.3g} {self.unit}"


def read_feature(name: str, about: Mapping[str, Any]) -> Feature:
    """Return a feature by its property in the contract's JSON schema."""
    trained = about.get("x-trained") or {}
    levels = tuple(about.get("x-categories") or ())
    # The last place stands for what training hardly saw or never.
    high = len(levels) - 2.0 if levels and levels[-1] == OTHER else trained.get("high")
    return Feature(
        name=name,
        meaning=about["description"],
        unit=about["x-unit"],
        categories=levels,
        least=_number(about.get("minimum"), -np.inf),
        most=_number(about.get("maximum"), np.inf),
        low=_number(trained.get("low"), np.nan),
        high=_number(high, np.nan),
        usual=_number(trained.get("usual"), np.nan),
        written=NumberFormat.of(about.get("x-written", ".")),
        missing=tuple(about.get("x-missing", ())),
    )


def _number(found: Any, otherwise: float) -> float:
    return otherwise if found is None else float(found)


def outside_possible(feature: Feature) -> str:
    """Return the warning of a value outside the possible range."""
    if np.isinf(feature.most):
        return f"{feature.name} is below the possible minimum of {feature.least:g}"
    return f"{feature.name} is outside the possible range ({feature.least:g} to {feature.most:g} {feature.unit})"


def outside_trained(feature: Feature) -> str:
    """Return the warning of a value that training hardly saw."""
    if feature.categories:
        return f"{feature.meaning}: a level rare or absent in the training data, so the risk is less certain"
    trained = f"{feature.shown(feature.low)} to {feature.shown(feature.high)}"
    return f"{feature.meaning}: outside the range of the training data ({trained}), so the risk is less certain"
