"""Parts of an evaluation: numbers with intervals, calibration, alerting, and how they are read when they are not whole.

An evaluation is JSON that may be old, cut short or forged. What is not of its type is unknown here.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _yes_or_no(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _label(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _section(value: object) -> object:
    return value if isinstance(value, Mapping | Figure) else None


def _given(value: object) -> object:
    return value if value is None or isinstance(value, Mapping | Figure) else {}


def _by_name(value: object) -> object:
    parts = value if isinstance(value, Mapping) else {}
    return {name: part for name, part in parts.items() if isinstance(name, str) and _section(part) is not None}


def _by_name_or_none(value: object) -> object:
    parts = value if isinstance(value, Mapping) else {}
    return {name: _section(part) for name, part in parts.items() if isinstance(name, str)}


def _rows(value: object) -> object:
    return [part for part in _items(value) if _section(part) is not None]


def _numbers(value: object) -> object:
    numbers = [_number(part) for part in _items(value)]
    return numbers if None not in numbers else ()


def _counts(value: object) -> object:
    return [_count(part) for part in _items(value)]


def _points(value: object) -> object:
    points = [_numbers(part) for part in _items(value)]
    return points if all(points) else ()


def _texts(value: object) -> object:
    return [part for part in _items(value) if isinstance(part, str)]


def _shares(value: object) -> object:
    parts = value.items() if isinstance(value, Mapping) else ()
    shares = {name: _number(part) for name, part in parts if isinstance(name, str)}
    return shares if shares and None not in shares.values() else None


def _items(value: object) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else ()


Part = TypeVar("Part")
Number = Annotated[float | None, BeforeValidator(_number)]
Count = Annotated[int, BeforeValidator(_count)]
Size = Annotated[int | None, BeforeValidator(_size)]
YesOrNo = Annotated[bool | None, BeforeValidator(_yes_or_no)]
Text = Annotated[str, BeforeValidator(_text)]
Label = Annotated[str | None, BeforeValidator(_label)]
Section = Annotated[Part | None, BeforeValidator(_section)]
Given = Annotated[Part | None, BeforeValidator(_given)]
ByName = Annotated[Mapping[str, Part], BeforeValidator(_by_name)]
ByNameOrNone = Annotated[Mapping[str, Part | None], BeforeValidator(_by_name_or_none)]
Rows = Annotated[tuple[Part, ...], BeforeValidator(_rows)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(_numbers)]
Sizes = Annotated[tuple[int, ...], BeforeValidator(_counts)]
Points = Annotated[tuple[tuple[float, ...], ...], BeforeValidator(_points)]
Shares = Annotated[Mapping[str, float] | None, BeforeValidator(_shares)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class Figure(BaseModel):
    """A part of an evaluation; what it does not name is left aside."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True)

    def written(self) -> dict[str, object]:
        """Return the part as an evaluation's file has it: what was set, also to null."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


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
    """Numbers of discharges, patients and readmissions that metrics are computed from."""

    discharges: Count = 0
    patients: Count = 0
    readmissions: Count = 0


class DataCounts(Counts):
    """Numbers of discharges, patients and readmissions of a run, in all and to train on."""

    training_discharges: Count = 0
    training_patients: Count = 0
    training_readmissions: Count = 0


class CalibrationIntervals(Figure):
    """The figures of the calibration with their intervals."""

    slope: Section[Spread] = None
    intercept: Section[Spread] = None
    ece: Section[Spread] = None


class CalibrationBin(Figure):
    """Discharges with about the same risk: their mean risk, and the share readmitted with its interval."""

    risk: Number = None
    observed: Number = None
    discharges: Count = 0
    interval: Section[Spread] = None


class CalibrationFigures(Figure):
    """Slope, intercept in the large and expected error of the risks."""

    slope: Number = None
    intercept: Number = None
    ece: Number = None
    intervals: Section[CalibrationIntervals] = None
    bins: Rows[CalibrationBin] = ()


class AlertIntervals(Figure):
    """Metrics of alerting, with their intervals."""

    alert_rate: Section[Spread] = None
    sensitivity: Section[Spread] = None
    specificity: Section[Spread] = None
    precision: Section[Spread] = None
    npv: Section[Spread] = None
    f1: Section[Spread] = None
    net_benefit: Section[Spread] = None


class AlertFigures(Figure):
    """Metrics of alerting from a threshold."""

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
