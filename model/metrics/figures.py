"""Metrics of an evaluation, typed: for gates by name, and for reports and cards.

An evaluation is JSON that may be old, cut short or forged. What is not of its type is unknown here, and an unknown
figure passes no gate.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from model.metrics.figure_names import RECORDED


def _number(found: object) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return None
    return float(found)


def _count(found: object) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def _yes_or_no(found: object) -> bool | None:
    return found if isinstance(found, bool) else None


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _section(found: object) -> object:
    return found if isinstance(found, Mapping | Figure) else None


def _given(found: object) -> object:
    return found if found is None or isinstance(found, Mapping | Figure) else {}


def _by_name(found: object) -> object:
    given = found if isinstance(found, Mapping) else {}
    return {name: part for name, part in given.items() if isinstance(name, str) and _section(part) is not None}


Part = TypeVar("Part")
Number = Annotated[float | None, BeforeValidator(_number)]
Count = Annotated[int, BeforeValidator(_count)]
YesOrNo = Annotated[bool | None, BeforeValidator(_yes_or_no)]
Text = Annotated[str, BeforeValidator(_text)]
Section = Annotated[Part | None, BeforeValidator(_section)]
Given = Annotated[Part | None, BeforeValidator(_given)]
ByName = Annotated[Mapping[str, Part], BeforeValidator(_by_name)]


class Figure(BaseModel):
    """A part of an evaluation; what it does not name is left aside."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Spread(Figure):
    """A metric with its 95 % interval."""

    value: Number = None
    low: Number = None
    high: Number = None

    @property
    def whole(self) -> tuple[float, float, float] | None:
        """Value, low and high; nothing where one is unknown or the ends are in disorder."""
        if self.value is None or self.low is None or self.high is None or self.low > self.high:
            return None
        return self.value, self.low, self.high


class Counts(Figure):
    """How many discharges, patients and readmissions the figures are of."""

    discharges: Count = 0
    patients: Count = 0
    readmissions: Count = 0


class CalibrationIntervals(Figure):
    """The figures of the calibration with their intervals."""

    slope: Section[Spread] = None
    intercept: Section[Spread] = None
    ece: Section[Spread] = None


class CalibrationFigures(Figure):
    """Slope, intercept in the large and expected error of the risks."""

    slope: Number = None
    intercept: Number = None
    ece: Number = None
    intervals: Section[CalibrationIntervals] = None


class AlertIntervals(Figure):
    """What alerting means, with its intervals."""

    alert_rate: Section[Spread] = None
    sensitivity: Section[Spread] = None
    specificity: Section[Spread] = None
    precision: Section[Spread] = None
    npv: Section[Spread] = None
    f1: Section[Spread] = None
    net_benefit: Section[Spread] = None


class AlertFigures(Figure):
    """What alerting from a threshold means."""

    threshold: Number = None
    alert_rate: Number = None
    sensitivity: Number = None
    specificity: Number = None
    precision: Number = None
    npv: Number = None
    f1: Number = None
    net_benefit: Number = None
    intervals: Section[AlertIntervals] = None


class SampleFigures(Figure):
    """The figures of some discharges."""

    counts: Section[Counts] = None
    roc_auc: Section[Spread] = None
    pr_auc: Section[Spread] = None
    brier: Section[Spread] = None
    brier_skill: Section[Spread] = None
    log_loss: Section[Spread] = None
    calibration: Section[CalibrationFigures] = None
    at_high: Section[AlertFigures] = None


class Benefit(Figure):
    """The net benefit at the threshold of the highest band."""

    threshold: Number = None
    treat_all: Number = None
    model: Section[Spread] = None
    over_all: Section[Spread] = None
    over_default: Section[Spread] = None
    over_lace: Section[Spread] = None


class Gap(Spread):
    """The largest gap between two groups, and what chance does not explain of it."""

    largest: Number = None
    sure: Number = None


class GapOfAttributes(Gap):
    """The largest gap over the attributes, and that of each."""

    by: ByName[Gap] = Field(default_factory=dict)


class Gaps(Figure):
    """The gaps between groups of patients."""

    roc_auc: Section[GapOfAttributes] = None
    calibration: Section[GapOfAttributes] = None
    sensitivity: Section[GapOfAttributes] = None
    alert_rate: Section[GapOfAttributes] = None


class ChampionFigures(Figure):
    """The release that serves, and by how much the model is better, on the same discharges."""

    release: Text = ""
    why: Text = ""
    note: Text = ""
    roc_auc: Section[Spread] = None
    over_roc_auc: Section[Spread] = None
    brier: Section[Spread] = None
    over_brier: Section[Spread] = None


class DataContractFigures(Figure):
    """How the held-out data keeps to the model's contract."""

    missingness_drift: Number = None
    constant_features: Number = None
    same_definitions: YesOrNo = None


class StabilityFigures(Figure):
    """How far the model moves with the patients it is trained on."""

    rank_correlation: Number = None
    risk_shift: Number = None


class Figures(SampleFigures):
    """All metrics of an evaluation."""

    baseline_name: Text = ""
    f1: Section[Spread] = None
    lace_roc_auc: Section[Spread] = None
    over_lace: Section[Spread] = None
    later: Section[SampleFigures] = None
    net_benefit: Section[Benefit] = None
    largest_gap: Number = None
    sure_gap: Number = None
    gaps: Section[Gaps] = None
    baseline: Given[ChampionFigures] = None
    data_contract: Section[DataContractFigures] = None
    stability: Section[StabilityFigures] = None

    @classmethod
    def of(cls, evaluation: "Mapping[str, Any] | Figures") -> "Figures":
        """Return the figures of an evaluation as it is written."""
        return evaluation if isinstance(evaluation, Figures) else cls.model_validate(dict(evaluation))

    def at(self, name: str) -> "Spread | float | bool | None":
        """Return a figure by the name that gates have for it, such as ``gaps.sensitivity.by.sex``."""
        found: object = self
        for step in name.split("."):
            found = found.get(step) if isinstance(found, Mapping) else getattr(found, step, None)
        return found if isinstance(found, Spread | float | int) else None


def _names(part: type[Figure], prefix: str = "") -> Iterator[str]:
    """Give the name of every number, and of every yes or no, below a part."""
    for name, field in part.model_fields.items():
        kinds = [kind for kind in get_args(field.annotation) or (field.annotation,) if isinstance(kind, type)]
        section = next((kind for kind in kinds if issubclass(kind, Figure)), None)
        if section is not None and name == "by":
            for attribute in RECORDED:
                yield from _names(section, f"{prefix}{name}.{attribute}.")
        elif section is not None:
            yield from _names(section, f"{prefix}{name}.")
        elif not any(issubclass(kind, str) for kind in kinds):
            yield f"{prefix}{name}"


PATHS = frozenset(_names(Figures))
"""Every figure that a gate may ask for; of one with an interval, each end."""
INTERVALS = frozenset(path.removesuffix(".value") for path in PATHS if path.endswith(".value"))
"""Figures that an evaluation gives with their 95 % interval."""
