"""Simulated measurements of a stay."""

import functools
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

Values = dict[str, float]


@dataclass(frozen=True)
class Writing:
    """Coding of a measurement in a hospital: LOINC code, UCUM unit, and the components of a panel."""

    code: str
    unit: str
    share: float
    factor: float = 1.0
    offset: float = 0.0
    parts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """A row of the table; what each field means stands at the head of ``measurements.yaml``."""

    name: str
    mean: float
    sd: float
    low: float
    high: float
    early: tuple[float, float]
    share: float
    twice: float
    digits: int
    written: tuple[Writing, ...]
    log: bool = False
    shifts: Values = field(default_factory=dict)
    follows: Values = field(default_factory=dict)

    def value(self, score: float, ill: Collection[str], above: Values) -> float:
        """Return the value of a standard normal score, given the illnesses and what was drawn before."""
        shift = sum(by for name, by in self.shifts.items() if name in ill)
        follows = sum(by * above[name] for name, by in self.follows.items())
        return self._bounded(self.mean + shift + follows + self.sd * score)

    def at_admission(self, value: float, score: float) -> float:
        """Return what was measured at admission where ``value`` is measured before the discharge."""
        more, sd = self.early
        return self._bounded((math.log(value) if self.log else value) + more + sd * score)

    def _bounded(self, drawn: float) -> float:
        return min(self.high, max(self.low, math.exp(drawn) if self.log else drawn))

    def writing(self, draw: float) -> Writing:
        """Choose how it is recorded by a number from 0 to 1."""
        for writing in self.written[:-1]:
            if draw < writing.share:
                return writing
            draw -= writing.share
        return self.written[-1]


@functools.cache
def measurements() -> tuple[Measurement, ...]:
    """Read the table of measurements."""
    rows: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "measurements.yaml").read_text("utf-8"))
    return tuple(
        Measurement(**row | {"early": tuple(row["early"]), "written": tuple(Writing(**way) for way in row["written"])})
        for row in rows
    )


def measure(chance: np.random.Generator, ill: Collection[str]) -> tuple[Values, Values]:
    """Draw what a stay's measurements are at admission and before the discharge, in the units of the table.

    Parameters
    ----------
    chance : np.random.Generator
        The patient's random stream.
    ill : collection of str
        The names of the patient's illnesses.
    """
    table = measurements()
    early: Values = {}
    late: Values = {}
    for row, (score, early_score) in zip(table, chance.standard_normal((len(table), 2)).tolist(), strict=True):
        late[row.name] = row.value(score, ill, late)
        early[row.name] = row.at_admission(late[row.name], early_score)
    return early, late
