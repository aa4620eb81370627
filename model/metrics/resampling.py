"""Cluster bootstrap by patient, as row weights: no row is ever copied.

All rows of a patient are drawn together, for they are not independent (the cluster bootstrap; Davison and Hinkley,
Bootstrap Methods and their Application, 1997, section 3.8). A draw is a row of weights: how often each row was drawn.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model.dataset.dataset import Floats
from model.metrics.figure_parts import Spread

RESAMPLES = 500
SEED = 20240501
LEVEL = (2.5, 97.5)
CELLS = 1_000_000
DEFINED = 0.9

Measure = Callable[[Floats], Mapping[str, Floats]]


@dataclass(frozen=True)
class Interval:
    """A metric with its 95 % interval."""

    value: float
    low: float
    high: float


class Resamples:
    """Draws of patients; the same patients give the same draws.

    Parameters
    ----------
    patient : array (rows,)
        Whose row it is.
    count : int
        How many draws.
    """

    def __init__(self, patient: npt.NDArray[np.str_], *, count: int = RESAMPLES, seed: int = SEED) -> None:
        unique, self._place = np.unique(patient, return_inverse=True)
        self._patients = len(unique)
        self._count = count
        self._seed = seed

    def chunks(self) -> Iterator[Floats]:
        """Give the weights (draws, rows), some draws at a time."""
        chance = np.random.default_rng(self._seed)
        step = max(1, CELLS // max(1, len(self._place)))
        for start in range(0, self._count, step):
            draws = min(step, self._count - start)
            drawn = chance.integers(0, self._patients, (draws, self._patients))
            shifted = drawn + np.arange(draws)[:, None] * self._patients
            times = np.bincount(shifted.ravel(), minlength=draws * self._patients).reshape(draws, self._patients)
            yield times.astype(np.float64)[:, self._place]

    def measure(self, measure: Measure) -> "Measured":
        """Return what a measure gives for all rows and for each draw.

        Parameters
        ----------
        measure : callable
            Gives figures, each (draws,) or (draws, points), for weights (draws, rows); NaN where undefined.
        """
        value = {name: values[0] for name, values in measure(np.ones((1, len(self._place)))).items()}
        parts = [measure(weights) for weights in self.chunks()]
        return Measured(value, {name: np.concatenate([part[name] for part in parts]) for name in value})


@dataclass(frozen=True)
class Measured:
    """Figures for all rows, and for each draw of patients."""

    value: Mapping[str, Any]
    draws: Mapping[str, Floats]

    def below(self, prefix: str) -> "Measured":
        """Return the figures whose names begin so, without the beginning."""
        value = {name.removeprefix(prefix): values for name, values in self.value.items() if name.startswith(prefix)}
        return Measured(value, {name: self.draws[f"{prefix}{name}"] for name in value})

    def spread(self, name: str) -> Interval:
        """Return a figure with its interval from the draws for which it is defined; the figure itself without any."""
        value = float(self.value[name])
        defined = self._defined(name)
        low, high = np.percentile(defined, LEVEL) if len(defined) else (value, value)
        return Interval(value, float(low), float(high))

    def interval(self, name: str) -> Spread | None:
        """Return a figure with its interval, or nothing where it, or too many of its draws, are undefined."""
        if not np.isfinite(self.value[name]) or len(self._defined(name)) < DEFINED * len(self.draws[name]):
            return None
        interval = self.spread(name)
        return Spread(value=interval.value, low=interval.low, high=interval.high)

    def _defined(self, name: str) -> Floats:
        draws = self.draws[name]
        return draws[np.isfinite(draws)]

    def difference(self, one: str, other: str) -> float:
        """Return the upper end of the 95 % interval of the difference of two figures on the same draws."""
        drawn = self.draws[one] - self.draws[other]
        return float(np.percentile(drawn[np.isfinite(drawn)], LEVEL[1]))

    def band(self, name: str) -> list[Spread | None]:
        """Return the interval of each point of a curve."""
        points = np.asarray(self.value[name])
        return [Measured({"": points[i]}, {"": self.draws[name][:, i]}).interval("") for i in range(len(points))]
