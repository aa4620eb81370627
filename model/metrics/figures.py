"""Metrics of an evaluation, typed: written by the evaluation, and read by gates by name, by reports and by cards.

An evaluation is JSON that may be old, cut short or forged. What is not of its type is unknown here, and an unknown
figure passes no gate.
"""

from collections.abc import Iterator, Mapping
from typing import Self, get_args, get_origin

from pydantic import Field

from model.metrics.figure_names import RECORDED
from model.metrics.figure_parts import (
    AlertFigures,
    ByName,
    ByNameOrNone,
    Count,
    Figure,
    Given,
    Label,
    Number,
    Numbers,
    Points,
    Rows,
    SampleFigures,
    Section,
    Shares,
    Size,
    Sizes,
    Spread,
    Text,
    Texts,
    YesOrNo,
)


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
    """The largest gap over the attributes, the attribute that has it, and the gap of each."""

    attribute: Label = None
    by: ByName[Gap] = Field(default_factory=dict)


class Gaps(Figure):
    """The gaps between groups of patients."""

    roc_auc: Section[GapOfAttributes] = None
    calibration: Section[GapOfAttributes] = None
    sensitivity: Section[GapOfAttributes] = None
    alert_rate: Section[GapOfAttributes] = None


class Subgroup(Figure):
    """The figures of the patients who have one value of an attribute; withheld, with the reason, if they are few."""

    group: Text = ""
    attribute: Text = ""
    name: Text = ""
    discharges: Count = 0
    readmissions: Count = 0
    small: YesOrNo = None
    why: Text = ""
    roc_auc: Section[Spread] = None
    brier: Number = None
    observed_less_predicted: Section[Spread] = None
    slope: Section[Spread] = None
    alert_rate: Section[Spread] = None
    sensitivity: Section[Spread] = None
    specificity: Section[Spread] = None
    precision: Section[Spread] = None


class GroupRates(Figure):
    """The rates of one group, as Fairlearn computes them."""

    alert_rate: Number = None
    true_positive_rate: Number = None
    false_positive_rate: Number = None


class AttributeFairness(Figure):
    """Fairlearn's comparison of the groups of one attribute."""

    groups: ByName[GroupRates] = Field(default_factory=dict)
    demographic_parity_difference: Number = None
    demographic_parity_ratio: Number = None
    equalized_odds_difference: Number = None
    equal_opportunity_difference: Number = None
    false_positive_rate_difference: Number = None


class DecisionPoint(Figure):
    """The net benefit at one threshold: of the model with its interval, of alerting for everybody, and of LACE."""

    threshold: Number = None
    model: Number = None
    low: Number = None
    high: Number = None
    treat_all: Number = None
    lace: Number = None


class RiskDistribution(Figure):
    """Edges of equal bins of risk, and how many discharges of each outcome are in each."""

    edges: Numbers = ()
    readmitted: Sizes = ()
    others: Sizes = ()


class Curves(Figure):
    """Points of the curves: pairs of false and true positive rate, and pairs of sensitivity and precision."""

    roc: Points = ()
    lace_roc: Points = ()
    precision_recall: Points = ()
    spread: Section[RiskDistribution] = None


class FeatureImportance(Figure):
    """Permutation importance of a feature: the loss of ROC-AUC, with its interval over draws of patients."""

    feature: Text = ""
    log_loss_rise: Section[Spread] = None
    auc_drop: Number = None
    among_first: Number = None
    helps: Number = None
    coefficients: Numbers = ()


class Importance(Figure):
    """The features, the most important first."""

    features: Rows[FeatureImportance] = ()


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
    """Violations of the model's contract by the held-out data."""

    missingness_drift: Number = None
    drifted_feature: Label = None
    constant_features: Size = None
    same_definitions: YesOrNo = None


class StabilityFigures(Figure):
    """Instability of the model over bootstrap draws of the patients it is trained on."""

    rank_correlation: Number = None
    refits: Count = 0
    risk_shift: Number = None
    score_correlation: Number = None
    same_sign: Shares = None


class LaterFigures(SampleFigures):
    """The figures of the discharges after the cut in time, or why they are withheld."""

    why: Text = ""


class Figures(SampleFigures):
    """All metrics of an evaluation."""

    resamples: Count = 0
    baseline_name: Text = ""
    f1: Section[Spread] = None
    lace_roc_auc: Section[Spread] = None
    over_lace: Section[Spread] = None
    later: Section[LaterFigures] = None
    bands: ByName[AlertFigures] = Field(default_factory=dict, alias="at")
    net_benefit: Section[Benefit] = None
    decision_curve: Rows[DecisionPoint] = ()
    subgroups: Rows[Subgroup] = ()
    too_small: Texts = ()
    fairness: ByNameOrNone[AttributeFairness] = Field(default_factory=dict)
    largest_gap: Number = None
    sure_gap: Number = None
    gaps: Section[Gaps] = None
    baseline: Given[ChampionFigures] = None
    data_contract: Section[DataContractFigures] = None
    stability: Section[StabilityFigures] = None
    curves: Section[Curves] = None
    importance: Section[Importance] = None

    @classmethod
    def of(cls, written: Mapping[str, object]) -> Self:
        """Return the figures of an evaluation as it is written."""
        return cls.model_validate(dict(written))

    def at(self, name: str) -> "Spread | float | bool | None":
        """Return a figure by the name that gates have for it, such as ``gaps.sensitivity.by.sex``."""
        part: object = self
        for step in name.split("."):
            part = part.get(step) if isinstance(part, Mapping) else getattr(part, step, None)
        return part if isinstance(part, Spread | float | int) else None


_NOT_FOR_GATES = frozenset({"resamples", "refits", "score_correlation", "curves", "importance"})
"""Parts that reports show, and no gate asks for; nor for a part that is a list or a map."""


def _names(part: type[Figure], prefix: str = "") -> Iterator[str]:
    """Give the name of every number, and of every yes or no, below a part."""
    for name, field in part.model_fields.items():
        kinds = [kind for kind in get_args(field.annotation) or (field.annotation,) if isinstance(kind, type)]
        section = next((kind for kind in kinds if issubclass(kind, Figure)), None)
        if name in _NOT_FOR_GATES:
            continue
        if section is not None and name == "by":
            for attribute in RECORDED:
                yield from _names(section, f"{prefix}{name}.{attribute}.")
        elif section is not None and type(None) in kinds and not _is_collection(field.annotation):
            yield from _names(section, f"{prefix}{name}.")
        elif kinds[0] in (float, int, bool) and not _is_collection(field.annotation):
            yield f"{prefix}{name}"


def _is_collection(annotation: object) -> bool:
    return get_origin(annotation) in (tuple, Mapping)


PATHS = frozenset(_names(Figures))
"""Every figure that a gate may ask for; of one with an interval, each end."""
INTERVALS = frozenset(path.removesuffix(".value") for path in PATHS if path.endswith(".value"))
"""Figures that an evaluation gives with their 95 % interval."""
