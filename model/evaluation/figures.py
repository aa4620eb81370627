"""Metrics of an evaluation."""

from collections.abc import Mapping

import numpy as np

from model.dataset.dataset import Dataset, Floats
from model.evaluation.sample import Sample, at_band, calibration, number, plain
from model.evaluation.subgroups import Subgroups
from model.gates import SmallGroup
from model.metrics import thresholds
from model.metrics.figure_names import BENEFITS
from model.metrics.figure_parts import Counts, Spread
from model.metrics.figures import Benefit, DecisionPoint, Figures, LaterFigures
from model.metrics.ranking import Ranking
from model.metrics.resampling import RESAMPLES, Measured, Resamples

HIGH = "high"
LACE = "LACE"


def figures(
    test: Dataset,
    risk: Floats,
    bands: Mapping[str, float],
    *,
    small: SmallGroup | None = None,
    resamples: int = RESAMPLES,
    baseline: str = LACE,
) -> Figures:
    """Return all figures; one that cannot be computed is None.

    Parameters
    ----------
    test : Dataset
        Discharges of patients that training did not see.
    risk : array (rows,)
        Their predicted probabilities.
    bands : dict of float
        The policy's thresholds, of which one is ``high``.
    small : SmallGroup, optional
        Below which size a group's figures are withheld.
    resamples : int
        How many draws of patients the intervals come from.
    baseline : str
        What the figures called ``lace`` are compared with; LACE's published limit is that of LACE alone.
    """
    everyone = _Everyone(test, risk, bands, has_limit=baseline == LACE)
    subgroups = Subgroups(test, risk, bands[HIGH], small or SmallGroup())
    later = _Later(test, risk, bands, small or SmallGroup())
    measured = Resamples(test.patient, count=resamples).measure(
        lambda weights: everyone.measure(weights) | subgroups.measure(weights) | later.measure(weights)
    )
    at_high = at_band(measured, HIGH, bands[HIGH])
    gaps = subgroups.gaps(measured)
    described = subgroups.described(measured)
    return Figures(
        counts=_counts(test),
        resamples=resamples,
        baseline_name=baseline,
        **plain(measured),
        f1=at_high.intervals.f1 if at_high.intervals else None,
        lace_roc_auc=measured.interval("lace_roc_auc"),
        over_lace=measured.interval("over_lace"),
        calibration=calibration(measured),
        at_high=at_high,
        bands={name: at_band(measured, name, threshold) for name, threshold in bands.items()},
        net_benefit=everyone.benefit(measured),
        decision_curve=everyone.decision_curve(measured),
        subgroups=described,
        too_small=tuple(f"{group.group} ({group.why})" for group in described if group.small),
        gaps=gaps,
        largest_gap=gaps.roc_auc.largest if gaps.roc_auc else None,
        sure_gap=gaps.roc_auc.sure if gaps.roc_auc else None,
        fairness=subgroups.fairness,
        later=later.summary(measured),
    )


class _Everyone:
    """All discharges: every figure, the decision curve, and LACE beside it."""

    def __init__(self, test: Dataset, risk: Floats, bands: Mapping[str, float], *, has_limit: bool) -> None:
        self._sample = Sample(test.label, risk, bands)
        self._has_limit = has_limit
        self._sweep = thresholds.sweep(float(test.label.mean()), list(bands.values()))
        self._places = self._sample.ranking.places(self._sweep)
        self._scored = np.isfinite(test.baseline)
        part = test.rows(self._scored)
        self._lace = Ranking(part.label, part.baseline)
        self._beside = self._sample.ranking if self._scored.all() else Ranking(part.label, risk[self._scored])
        self._high = bands[HIGH]

    def measure(self, weights: Floats) -> dict[str, Floats]:
        tally = self._sample.ranking.tally(weights)
        values = self._sample.counted(weights, tally)
        values["curve"] = thresholds.net_benefit(tally, self._places, self._sweep)
        values["curve_all"] = thresholds.treat_all(tally, self._sweep)
        return values | self._against_lace(weights, values)

    def _against_lace(self, weights: Floats, found: Mapping[str, Floats]) -> dict[str, Floats]:
        """Compare with LACE on the discharges that have one; from 10 points on LACE calls a patient high risk."""
        nothing = np.full(len(weights), np.nan)
        no_benefit = {
            "over_lace_benefit": nothing,
            "curve_lace": np.full((len(weights), len(self._sweep)), np.nan),
        }
        if not self._scored.any():
            return {"lace_roc_auc": nothing, "over_lace": nothing, **no_benefit}
        chosen = weights[:, self._scored]
        tally = self._lace.tally(chosen)
        beside = found["roc_auc"] if self._scored.all() else self._beside.tally(chosen).roc_auc()
        compared = {"lace_roc_auc": tally.roc_auc(), "over_lace": beside - tally.roc_auc()}
        if not self._has_limit:
            return compared | no_benefit
        place = thresholds.lace_place(self._lace)
        (benefit,) = thresholds.net_benefit(tally, np.array([place]), [self._high]).T
        return compared | {
            "over_lace_benefit": found[f"{HIGH}:net_benefit"] - benefit,
            "curve_lace": thresholds.net_benefit(tally, np.full(len(self._sweep), place), self._sweep),
        }

    def benefit(self, measured: Measured) -> Benefit:
        names = dict(zip(BENEFITS, ("net_benefit", "over_all", "over_default"), strict=False))
        spreads = {key: measured.interval(f"{HIGH}:{name}") for key, name in names.items()}
        all_treated = number(measured.value[f"{HIGH}:net_benefit"] - measured.value[f"{HIGH}:over_all"])
        return Benefit(
            threshold=self._high,
            treat_all=all_treated,
            **spreads,
            over_lace=measured.interval("over_lace_benefit"),
        )

    def decision_curve(self, measured: Measured) -> tuple[DecisionPoint, ...]:
        bands = [interval or Spread() for interval in measured.band("curve")]
        return tuple(
            DecisionPoint(
                threshold=round(float(threshold), 6),
                model=number(measured.value["curve"][i]),
                low=bands[i].low,
                high=bands[i].high,
                treat_all=number(measured.value["curve_all"][i]),
                lace=number(measured.value["curve_lace"][i]),
            )
            for i, threshold in enumerate(self._sweep)
        )


class _Later:
    """The discharges after the cut in time: whether the model still holds on what came later."""

    def __init__(self, test: Dataset, risk: Floats, bands: Mapping[str, float], small: SmallGroup) -> None:
        self._rows = test.later
        part = test.rows(test.later)
        self._counts = _counts(part)
        self._why = small.too_small(len(part), self._counts.readmissions)
        self._sample = None if self._why else Sample(part.label, risk[test.later], bands)

    def measure(self, weights: Floats) -> dict[str, Floats]:
        if self._sample is None:
            return {}
        return {f"later:{name}": values for name, values in self._sample.measure(weights[:, self._rows]).items()}

    def summary(self, measured: Measured) -> LaterFigures | None:
        if not self._rows.any():
            return None
        if self._sample is None:
            return LaterFigures(counts=self._counts, why=self._why)
        mine = measured.below("later:")
        return LaterFigures(
            counts=self._counts,
            **plain(mine),
            calibration=calibration(mine),
            at_high=at_band(mine, HIGH, self._sample.bands[HIGH]),
        )


def _counts(data: Dataset) -> Counts:
    return Counts(discharges=len(data), patients=data.patients, readmissions=int(data.label.sum()))
