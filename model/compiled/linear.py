"""Linear model in its compiled form: of each feature, a function of its value alone that adds to the log-odds."""

from collections.abc import Sequence

import numpy as np

from model.compiled.document import Level, LinearDocument, Number
from model.compiled.explanation import EXACT, Explanation, Floats, joined, probability

ROWS_AT_ONCE = 2048


class LinearModel:
    """Compiled linear model.

    Every step is computed in the order in which the pipeline computes it, so that each feature's part is the same
    number to the last bit; only the sum over features is taken in another order.

    Parameters
    ----------
    document : LinearDocument
        The stored form.
    usual : array of shape (k,)
        The discharge that contributions are counted from.
    """

    method = EXACT

    def __init__(self, document: LinearDocument, usual: Floats) -> None:
        columns = document.features
        numbers = [column if isinstance(column, Number) else _NOT_A_NUMBER for column in columns]
        self._imputed = np.array([number.imputed for number in numbers])
        self._center = np.array([number.center for number in numbers])
        self._scale = np.array([number.scale for number in numbers])
        self._weight = np.array([number.weight for number in numbers])
        self._if_missing = np.array([number.if_missing for number in numbers])
        self._if_recorded = np.array([number.if_recorded for number in numbers])
        self._binned = np.array([place for place, number in enumerate(numbers) if number.bins], dtype=np.intp)
        self._edges = _padded([numbers[place].edges for place in self._binned], np.inf).T
        self._bins = _padded([numbers[place].bins for place in self._binned], 0.0)
        self._bin_starts = np.arange(len(self._binned)) * self._bins.shape[1]
        levels = [(place, column) for place, column in enumerate(columns) if isinstance(column, Level)]
        self._categories = np.array([place for place, _ in levels], dtype=np.intp)
        # Before the levels stands the missing one, after them the one that was never seen.
        self._levels = _padded([(column.missing, *column.levels, column.unseen) for _, column in levels], 0.0)
        self._last = np.array([len(column.levels) for _, column in levels], dtype=np.float64)
        self._level_starts = np.arange(len(levels)) * self._levels.shape[1]
        self._intercept = document.intercept
        self._usual: Floats = np.zeros(len(columns))
        self._usual = self._parts(usual.reshape(1, -1))[0]
        self._baseline = float(self._usual.sum()) + self._intercept

    def explain(self, values: Floats) -> Explanation:
        """Return risks of discharges, one a row, and what each feature adds."""
        starts = range(0, max(1, len(values)), ROWS_AT_ONCE)
        return joined([self._explained(values[start : start + ROWS_AT_ONCE]) for start in starts])

    def _explained(self, values: Floats) -> Explanation:
        # A number beyond all sense may overflow; the caller refuses contributions that are not finite.
        with np.errstate(over="ignore", invalid="ignore"):
            parts = self._parts(values)
            # Each row in one piece of memory: NumPy's sum is then the same bit for bit, however many rows there are.
            risk = probability(np.ascontiguousarray(parts).sum(axis=1) + self._intercept)
            return Explanation(risk, parts - self._usual, self._baseline)

    def _parts(self, values: Floats) -> Floats:
        missing = np.isnan(values)
        filled = np.where(missing, self._imputed, values)
        parts: Floats = (filled - self._center) / self._scale * self._weight
        parts += np.where(missing, self._if_missing, self._if_recorded)
        if len(self._binned):
            numbers = filled[:, self._binned]
            places = np.zeros(numbers.shape, dtype=np.intp)
            for edges in self._edges:
                places += numbers >= edges
            parts[:, self._binned] += self._bins.take(places + self._bin_starts)
        if len(self._categories):
            parts[:, self._categories] = self._levels.take(self._level_places(values) + self._level_starts)
        return parts

    def _level_places(self, values: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
        codes = np.where(np.isnan(values[:, self._categories]), -1.0, values[:, self._categories])
        seen = (codes >= -1) & (codes < self._last) & (codes == np.floor(codes))
        return np.where(seen, codes + 1, self._last + 1).astype(np.intp)


_NOT_A_NUMBER = Number(imputed=0.0, center=0.0, scale=1.0, weight=0.0, if_missing=0.0, if_recorded=0.0)


def _padded(rows: Sequence[Sequence[float]], padding: float) -> Floats:
    """Return rows of different lengths as one array."""
    longest = max((len(row) for row in rows), default=0)
    return np.array([[*row, *[padding] * (longest - len(row))] for row in rows]).reshape(len(rows), longest)
