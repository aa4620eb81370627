"""Gradient-boosted trees in their compiled form: of each tree and feature, the leaves that a value leaves possible.

A tree tests several features; each test that a value passes or fails rules out leaves. Of each tree and each feature in
it a table holds, for every interval between that feature's thresholds, the leaves that remain as bits of a number. The
leaf that a row reaches is the one bit which the numbers of all its features share (QuickScorer, Lucchese et al. 2015,
keeps half of these bits). Replacing one feature's value then means sharing the bits of the others with those of the
usual value; no tree is walked a second time.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model.compiled.document import MOST_LEAVES, Rates, Tree, TreesDocument
from model.compiled.explanation import OCCLUSION, Explanation, Floats, joined, probability

# Cells of the working arrays (features of a tree x trees x rows): they stay in the processor's cache.
CELLS_AT_ONCE = 1 << 18

Bits = npt.NDArray[np.unsignedinteger[Any]]
Places = npt.NDArray[np.intp]


class TreesModel:
    """Compiled gradient-boosted trees with their calibration.

    Parameters
    ----------
    document : TreesDocument
        The stored form.
    usual : array of shape (k,)
        The discharge that a value is replaced with for its contribution.
    """

    method = OCCLUSION

    def __init__(self, document: TreesDocument, usual: Floats) -> None:
        self._document = document
        self._columns = len(document.features)
        self._thresholds = _thresholds(document, self._columns)
        self._rates = tuple(
            (place, _rates(rates)) for place, rates in enumerate(document.features) if isinstance(rates, Rates)
        )
        self._missing = np.array([len(column) + 1 for column in self._thresholds]).reshape(-1, 1)
        self._tables(document.trees)
        self._rows = max(1, CELLS_AT_ONCE // self._starts.size)
        self._usual = self._masks.take(self._starts + self._bins(usual.reshape(1, -1))[self._features, 0])
        self._baseline = float(self._log_odds(self._predictions(self._leaves(usual.reshape(1, -1))[0]))[0])

    def explain(self, values: Floats) -> Explanation:
        """Return risks of discharges, one a row, and what each feature adds."""
        starts = range(0, max(1, len(values)), self._rows)
        return joined([self._explained(values[start : start + self._rows]) for start in starts])

    def _explained(self, values: Floats) -> Explanation:
        reached, masks = self._leaves(values)
        predictions = self._predictions(reached)
        contributions = self._contributions(masks, reached, predictions)
        return Explanation(probability(self._log_odds(predictions)), contributions, self._baseline)

    def _leaves(self, values: Floats) -> tuple[Bits, Bits]:
        """Return the leaf that each tree reaches as a bit, and the leaves that each feature of it leaves possible."""
        places = self._bins(values).take(self._features, axis=0)
        places += self._starts[:, :, np.newaxis]
        masks = self._masks.take(places)
        return np.bitwise_and.reduce(masks, axis=0), masks

    def _contributions(self, masks: Bits, reached: Bits, predictions: Floats) -> Floats:
        """Return what changes in each row if one value is replaced by the usual one."""
        rows = reached.shape[1]
        changed = np.flatnonzero((reached & self._usual[:, :, np.newaxis]) == 0)
        pair, row = np.divmod(changed, rows)
        before, after = _without_each(masks)
        shared = before.ravel().take(changed) & after.ravel().take(changed) & self._usual.ravel().take(pair)
        replaced = self._values.take(self._first.take(pair % len(self._first)) + np.bitwise_count(shared - 1))
        difference = predictions.ravel().take(changed % predictions.size) - replaced
        cells = row * self._columns + self._features.ravel().take(pair)
        change = np.bincount(cells, weights=difference, minlength=rows * self._columns)
        return np.asarray(change * self._document.slope, dtype=np.float64).reshape(rows, self._columns)

    def _predictions(self, reached: Bits) -> Floats:
        """Return what each tree's leaf adds; the place of its one bit is the number of bits below it."""
        return self._values.take(self._first[:, np.newaxis] + np.bitwise_count(reached - 1))

    def _log_odds(self, predictions: Floats) -> Floats:
        # Along the rows of memory the order of a sum is the same however many rows there are: a record of the audit
        # chain is rebuilt bit for bit.
        raw: Floats = self._document.baseline + np.ascontiguousarray(predictions.T).sum(axis=1)
        found: Floats = self._document.slope * raw + self._document.intercept
        return found

    def _bins(self, values: Floats) -> Places:
        """Return for each feature the interval between its thresholds; the last row is for no feature at all."""
        columns = values.T
        missing = np.isnan(columns)
        if self._rates:
            columns = columns.copy()
        for place, rates in self._rates:
            columns[place] = _rate_of(rates, columns[place])
            missing[place] = False
        bins = np.zeros((self._columns + 1, len(values)), dtype=np.intp)
        for place, thresholds in enumerate(self._thresholds):
            if len(thresholds):
                bins[place] = thresholds.searchsorted(columns[place])
        bins[:-1] = np.where(missing, self._missing, bins[:-1])
        return bins

    def _tables(self, trees: Sequence[Tree]) -> None:
        """Make the tables of bits; features of a tree are its slots, and a slot that it does not need allows all."""
        used = [sorted({node for node in tree.feature if node >= 0}) for tree in trees]
        slots = max((len(features) for features in used), default=0) or 1
        self._features: Places = np.full((slots, len(trees)), self._columns, dtype=np.intp)
        self._starts: Places = np.zeros((slots, len(trees)), dtype=np.intp)
        tables: list[Bits] = []
        size = 0
        for place, (tree, features) in enumerate(zip(trees, used, strict=True)):
            found = _tree_masks(tree, features, self._thresholds)
            for slot in range(slots):
                table = found[slot] if slot < len(features) else np.array([_all(tree)], dtype=np.uint32)
                if slot < len(features):
                    self._features[slot, place] = features[slot]
                self._starts[slot, place] = size
                tables.append(table)
                size += len(table)
        masks = np.concatenate(tables)
        # Half of the memory where no tree has more than 16 leaves, as training makes them.
        self._masks: Bits = masks.astype(np.min_scalar_type(masks.max()))
        self._first: Places = np.arange(len(trees), dtype=np.intp) * MOST_LEAVES
        self._values: Floats = np.zeros(len(trees) * MOST_LEAVES)
        for place, tree in enumerate(trees):
            leaves = [value for feature, value in zip(tree.feature, tree.value, strict=True) if feature < 0]
            self._values[place * MOST_LEAVES : place * MOST_LEAVES + len(leaves)] = leaves


def _tree_masks(tree: Tree, features: Sequence[int], thresholds: Sequence[Floats]) -> list[Bits]:
    """Return for each feature of a tree, and each interval of it and missing, the leaves that remain."""
    below = _leaves_below(tree)
    tables = {feature: np.full(len(thresholds[feature]) + 2, below[0], dtype=np.uint32) for feature in features}
    for node, feature in enumerate(tree.feature):
        if feature < 0:
            continue
        left, right = (np.uint32(below[0] & ~below[child]) for child in (tree.left[node], tree.right[node]))
        table = tables[feature]
        bound = int(thresholds[feature].searchsorted(_threshold(tree.threshold[node]))) + 1
        table[:bound] &= right
        table[bound:-1] &= left
        table[-1] &= right if tree.missing_left[node] else left
    return [tables[feature] for feature in features]


def _leaves_below(tree: Tree) -> list[int]:
    """Return the leaves below each node as bits; a node's children come after it."""
    below = [0] * len(tree.feature)
    leaves = [node for node, feature in enumerate(tree.feature) if feature < 0]
    for bit, node in enumerate(leaves):
        below[node] = 1 << bit
    for node in reversed(range(len(tree.feature))):
        if tree.feature[node] >= 0:
            below[node] = below[tree.left[node]] | below[tree.right[node]]
    return below


def _all(tree: Tree) -> int:
    return (1 << sum(feature < 0 for feature in tree.feature)) - 1


def _thresholds(document: TreesDocument, columns: int) -> tuple[Floats, ...]:
    found: list[set[float]] = [set() for _ in range(columns)]
    for tree in document.trees:
        for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
            if feature >= 0:
                found[feature].add(_threshold(threshold))
    return tuple(np.array(sorted(thresholds)) for thresholds in found)


def _threshold(stored: float | None) -> float:
    """Return a threshold; none is one that every recorded value is below."""
    return np.inf if stored is None else stored


def _rates(rates: Rates) -> Floats:
    return np.array([rates.missing, *rates.levels, rates.unseen])


def _rate_of(rates: Floats, codes: Floats) -> Floats:
    """Return the rate of each code: the first stands for a missing one, the last for one that was never seen."""
    unseen = len(rates) - 1
    places = np.where((codes >= 0) & (codes < unseen - 1) & (codes == np.floor(codes)), codes + 1, unseen)
    found: Floats = rates.take(np.where(np.isnan(codes), 0, places).astype(np.intp))
    return found


def _without_each(masks: Bits) -> tuple[Bits, Bits]:
    """Return the bits shared by all slots before each one, and by all after it."""
    before, after = np.empty_like(masks), np.empty_like(masks)
    before[0] = after[-1] = ~masks.dtype.type(0)
    for slot in range(1, len(masks)):
        np.bitwise_and(before[slot - 1], masks[slot - 1], out=before[slot])
        np.bitwise_and(after[-slot], masks[-slot], out=after[-slot - 1])
    return before, after
