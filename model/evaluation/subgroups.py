"""Subgroup metrics, gaps between subgroups, and the gaps expected by chance."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.dataset.dataset import Dataset, Floats
from model.definitions.features import GROUPS
from model.evaluation.fairness import fairness
from model.evaluation.sample import Sample
from model.gates import SmallGroup
from model.metrics.figure_names import GAPS
from model.metrics.figure_parts import Spread
from model.metrics.figures import Gap, GapOfAttributes, Gaps, Subgroup
from model.metrics.resampling import Measured

UNKNOWN = "unknown"
_ALERT = "alert"
_SPREADS = {
    "roc_auc": "roc_auc",
    "brier": "brier",
    "observed_less_predicted": "excess",
    "slope": "slope",
    "alert_rate": f"{_ALERT}:alert_rate",
    "sensitivity": f"{_ALERT}:sensitivity",
    "specificity": f"{_ALERT}:specificity",
    "precision": f"{_ALERT}:precision",
}
_GAP_OF = dict(zip(GAPS, ("roc_auc", "observed_less_predicted", "sensitivity", "alert_rate"), strict=True))


@dataclass(frozen=True)
class Group:
    """The patients who have one value of an attribute."""

    attribute: str
    name: str
    rows: npt.NDArray[np.bool_]
    discharges: int
    readmissions: int
    why: str
    sample: Sample | None

    @property
    def label(self) -> str:
        """The group in words."""
        return f"{self.attribute}: {self.name}"


class Subgroups:
    """Every group of every attribute of a dataset.

    Parameters
    ----------
    test : Dataset
        Discharges with their groups.
    risk : array (rows,)
        Their predicted probabilities.
    threshold : float
        From which risk to alert.
    small : SmallGroup
        Below which size a group's figures are withheld.
    """

    def __init__(self, test: Dataset, risk: Floats, threshold: float, small: SmallGroup) -> None:
        self._groups = list(_groups(test, risk, threshold, small))
        self.fairness = fairness(test, risk >= threshold, {g.label for g in self._groups if g.sample is None})

    def measure(self, weights: Floats) -> dict[str, Floats]:
        """Return each group's figures for each draw; the draws are of all patients, so that groups can be compared."""
        values: dict[str, Floats] = {}
        for group in self._groups:
            if group.sample is not None:
                part = group.sample.measure(weights[:, group.rows])
                values |= {f"{group.label}|{name}": part[name] for name in _SPREADS.values()}
        return values

    def described(self, measured: Measured) -> tuple[Subgroup, ...]:
        """Return the figures of each group."""
        return tuple(_described(group, measured) for group in self._groups)

    def gaps(self, measured: Measured) -> Gaps:
        """Return the gaps between the groups."""
        described = self.described(measured)
        return Gaps(**{name: _gaps(described, figure, measured) for name, figure in _GAP_OF.items()})


def _groups(test: Dataset, risk: Floats, threshold: float, small: SmallGroup) -> Iterator[Group]:
    for attribute, value in test.groups.items():
        names = sorted(set(value.tolist()) - {""}) + ([""] if (value == "").any() else [])
        for name in names:
            rows = value == name
            label = test.label[rows]
            why = small.too_small(len(label), int(label.sum()))
            sample = None if why else Sample(label, risk[rows], {_ALERT: threshold})
            yield Group(attribute, name or UNKNOWN, rows, len(label), int(label.sum()), why, sample)


def _described(group: Group, measured: Measured) -> Subgroup:
    spreads = {
        key: measured.interval(f"{group.label}|{name}") if group.sample is not None else None
        for key, name in _SPREADS.items()
    }
    brier = spreads.pop("brier")
    return Subgroup(
        group=group.label,
        attribute=group.attribute,
        name=group.name,
        discharges=group.discharges,
        readmissions=group.readmissions,
        small=group.sample is None,
        why=group.why,
        **spreads,
        brier=brier.value if brier else None,
    )


def _gaps(described: Sequence[Subgroup], figure: str, measured: Measured) -> GapOfAttributes:
    """Return the gaps of each attribute (``by``), and the largest of each figure of a gap over the attributes.

    Race, ethnicity, payer and deprivation have gates of their own and count there only where there is nothing else.
    """
    attributes = dict.fromkeys(group.attribute for group in described)
    by = {name: _gap([g for g in described if g.attribute == name], figure, measured) for name in attributes}
    largest = {name: gap.largest for name, gap in by.items() if gap.largest is not None}
    # A gap that a gate judges by itself is not judged twice, unless there is no other.
    largest = {name: gap for name, gap in largest.items() if name not in GROUPS} or largest
    compared = [by[name] for name in largest]
    return GapOfAttributes(
        largest=_most(gap.largest for gap in compared),
        sure=_most(gap.sure for gap in compared),
        value=_most(gap.value for gap in compared),
        low=_most(gap.low for gap in compared),
        high=_most(gap.high for gap in compared),
        attribute=max(largest, key=lambda name: largest[name], default=None),
        by=by,
    )


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _gap(groups: Sequence[Subgroup], figure: str, measured: Measured) -> Gap:
    """Return the largest gap between two groups of one attribute, and what is left of it beyond chance.

    Each group is given the benefit of its interval: small groups differ by chance alone. A group whose attribute is
    unknown, or that is small, tells nothing; with fewer than two others there is no gap to tell. The gap's interval is
    from what is left beyond chance to the 97.5th percentile of the gap between the two groups that differ most, on the
    same draws of patients.
    """
    whole = {group.group: _interval(group, figure) for group in groups if group.name != UNKNOWN}
    intervals = {group: interval for group, interval in whole.items() if interval}
    if len(intervals) < 2:
        return Gap(largest=None, sure=None, value=None, low=None, high=None)
    least, most = (choose(intervals, key=lambda group: intervals[group][0]) for choose in (min, max))
    gap = intervals[most][0] - intervals[least][0]
    sure = max(0.0, max(low for _, low, _ in intervals.values()) - min(high for _, _, high in intervals.values()))
    high = measured.difference(*(f"{group}|{_SPREADS[figure]}" for group in (most, least)))
    return Gap(largest=gap, sure=sure, value=gap, low=sure, high=max(gap, high))


def _interval(group: Subgroup, figure: str) -> tuple[float, float, float] | None:
    spread = getattr(group, figure)
    return spread.whole if isinstance(spread, Spread) else None
