"""Subgroup metrics, gaps between subgroups, and the gaps expected by chance."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model.dataset.dataset import Dataset, Floats
from model.definitions.features import GROUPS
from model.evaluation.fairness import fairness
from model.evaluation.sample import Sample
from model.gates import SmallGroup
from model.metrics.figure_names import GAP, GAPS
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
        self._fairness = fairness(test, risk >= threshold, {g.label for g in self._groups if g.sample is None})

    def measure(self, weights: Floats) -> dict[str, Floats]:
        """Return each group's figures for each draw; the draws are of all patients, so that groups can be compared."""
        found: dict[str, Floats] = {}
        for group in self._groups:
            if group.sample is not None:
                part = group.sample.measure(weights[:, group.rows])
                found |= {f"{group.label}|{name}": part[name] for name in _SPREADS.values()}
        return found

    def summary(self, measured: Measured) -> dict[str, Any]:
        """Return the groups, the gaps between them and fairlearn's summary of each attribute."""
        described = [_described(group, measured) for group in self._groups]
        gaps = {name: _gaps(described, figure, measured) for name, figure in _GAP_OF.items()}
        return {
            "subgroups": described,
            "too_small": [f"{group['group']} ({group['why']})" for group in described if group["small"]],
            "gaps": gaps,
            "largest_gap": gaps["roc_auc"]["largest"],
            "sure_gap": gaps["roc_auc"]["sure"],
            "fairness": self._fairness,
        }


def _groups(test: Dataset, risk: Floats, threshold: float, small: SmallGroup) -> Iterator[Group]:
    for attribute, value in test.groups.items():
        names = sorted(set(value.tolist()) - {""}) + ([""] if (value == "").any() else [])
        for name in names:
            rows = value == name
            label = test.label[rows]
            why = small.too_small(len(label), int(label.sum()))
            sample = None if why else Sample(label, risk[rows], {_ALERT: threshold})
            yield Group(attribute, name or UNKNOWN, rows, len(label), int(label.sum()), why, sample)


def _described(group: Group, measured: Measured) -> dict[str, Any]:
    spreads = {
        key: measured.interval(f"{group.label}|{name}") if group.sample is not None else None
        for key, name in _SPREADS.items()
    }
    return {
        "group": group.label,
        "attribute": group.attribute,
        "name": group.name,
        "discharges": group.discharges,
        "readmissions": group.readmissions,
        "small": group.sample is None,
        "why": group.why,
        **spreads,
        "brier": (spreads["brier"] or {}).get("value"),
    }


def _gaps(described: list[dict[str, Any]], figure: str, measured: Measured) -> dict[str, Any]:
    """Return the gaps of each attribute (``by``), and the largest of each figure of a gap over the attributes.

    Race, ethnicity, payer and deprivation have gates of their own and count there only where there is nothing else.
    """
    attributes = dict.fromkeys(group["attribute"] for group in described)
    by = {name: _gap([g for g in described if g["attribute"] == name], figure, measured) for name in attributes}
    recorded = {name: gap for name, gap in by.items() if gap["largest"] is not None}
    # A gap that a gate judges by itself is not judged twice, unless there is no other.
    recorded = {name: gap for name, gap in recorded.items() if name not in GROUPS} or recorded
    found = {kind: max((gap[kind] for gap in recorded.values()), default=None) for kind in GAP}
    return found | {"attribute": max(recorded, key=lambda name: recorded[name]["largest"], default=None), "by": by}


def _gap(groups: list[dict[str, Any]], figure: str, measured: Measured) -> dict[str, Any]:
    """Return the largest gap between two groups of one attribute, and what is left of it beyond chance.

    Each group is given the benefit of its interval: small groups differ by chance alone. A group whose attribute is
    unknown, or that is small, tells nothing; with fewer than two others there is no gap to tell. The gap's interval is
    from what is left beyond chance to the 97.5th percentile of the gap between the two groups that differ most, on the
    same draws of patients.
    """
    estimated = [group for group in groups if group["name"] != UNKNOWN and group[figure]]
    if len(estimated) < 2:
        return dict.fromkeys(GAP)
    least, most = (choose(estimated, key=lambda g: g[figure]["value"]) for choose in (min, max))
    gap = most[figure]["value"] - least[figure]["value"]
    sure = max(0.0, max(g[figure]["low"] for g in estimated) - min(g[figure]["high"] for g in estimated))
    high = measured.difference(*(f"{g['group']}|{_SPREADS[figure]}" for g in (most, least)))
    return {"largest": gap, "sure": sure, "value": gap, "low": sure, "high": max(gap, high)}
