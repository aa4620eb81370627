"""Comparison of recorded scores with a candidate's: risks, ranks, and what coordinators would have to do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata, spearmanr

from model.errors import UserError
from services.planning.delivery.causes import causes
from services.planning.delivery.evidence import stability_index
from services.replay.candidate import Pair
from services.replay.cells import WITHHELD, Cell, Crossing, cell, crossing, guarded, least

Floats = npt.NDArray[np.float64]
TENTHS = tuple(tenth / 10 for tenth in range(1, 10))


@dataclass(frozen=True)
class Risks:
    """Risks of both.

    Parameters
    ----------
    mean_recorded, mean_candidate, mean_difference
        Means of the risks and of their absolute difference.
    median_difference, difference_95
        Median and 95 % quantile of the absolute difference; None where fewer encounters than a small cell lie beyond.
    tenths_recorded, tenths_candidate
        Nine quantiles of the risks, 10 % to 90 %; each None likewise.
    stability_index, major_shift
        PSI of the candidate's risks against the recorded ones (None for too few), and from where on a shift is major.
    """

    mean_recorded: float
    mean_candidate: float
    mean_difference: float
    median_difference: float | None
    difference_95: float | None
    tenths_recorded: tuple[float | None, ...]
    tenths_candidate: tuple[float | None, ...]
    stability_index: float | None
    major_shift: float


@dataclass(frozen=True)
class Ranks:
    """Places of the encounters by risk, 1 for the highest; equal risks share the first of their places.

    Parameters
    ----------
    changed
        Encounters whose place differs.
    median_change, change_95
        Median and 95 % quantile of the number of places; None where too few encounters lie beyond.
    correlation
        Spearman's rank correlation; None where all risks of one are equal.
    """

    changed: Cell
    median_change: float | None
    change_95: float | None
    correlation: float | None


@dataclass(frozen=True)
class Workload:
    """Workload of the coordinators.

    Parameters
    ----------
    threshold
        Encounters above the threshold, from which on a release proposes its strongest action.
    other_band
        Encounters in a band of another name.
    capacity
        Encounters that the coordinators can follow up in a day, at most all of the day.
    replaced
        Of the `capacity` encounters with the highest risks, those that the candidate does not place among its own.
    """

    threshold: Crossing
    other_band: Cell
    capacity: int
    replaced: Cell


@dataclass(frozen=True)
class Comparison:
    """The comparison of a number of encounters."""

    encounters: int
    risks: Risks
    ranks: Ranks
    workload: Workload


def compare(pairs: Sequence[Pair], capacity: int) -> Comparison:
    """Return the comparison of recorded scores with a candidate's.

    Parameters
    ----------
    pairs : sequence of Pair
        One of each encounter.
    capacity : int
        Encounters that the coordinators can follow up in a day.

    Raises
    ------
    UserError
        If there are fewer encounters than the smallest cell that is shown.
    """
    if len(pairs) < least():
        raise UserError(
            f"Fewer than {least()} encounters of this day can be compared, which could identify a patient; name a day "
            "with more."
        )
    recorded = np.array([pair.risk for pair in pairs])
    candidate = np.array([pair.candidate_risk for pair in pairs])
    return Comparison(len(pairs), _risks(recorded, candidate), _ranks(recorded, candidate), _workload(pairs, capacity))


def _risks(recorded: Floats, candidate: Floats) -> Risks:
    difference, row = np.abs(candidate - recorded), causes().score_shift
    enough = len(recorded) >= row.bins * least()
    return Risks(
        mean_recorded=float(recorded.mean()),
        mean_candidate=float(candidate.mean()),
        mean_difference=float(difference.mean()),
        median_difference=_quantile(difference, 0.5),
        difference_95=_quantile(difference, 0.95),
        tenths_recorded=tuple(_quantile(recorded, share) for share in TENTHS),
        tenths_candidate=tuple(_quantile(candidate, share) for share in TENTHS),
        stability_index=stability_index(recorded, candidate, row.bins) if enough else None,
        major_shift=row.psi,
    )


def _ranks(recorded: Floats, candidate: Floats) -> Ranks:
    places = np.abs(rankdata(-candidate, method="min") - rankdata(-recorded, method="min"))
    varied = np.ptp(recorded) > 0 and np.ptp(candidate) > 0
    return Ranks(
        changed=cell(int(np.count_nonzero(places)), len(places)),
        median_change=_quantile(places, 0.5),
        change_95=_quantile(places, 0.95),
        correlation=float(spearmanr(recorded, candidate).statistic) if varied else None,
    )


def _workload(pairs: Sequence[Pair], capacity: int) -> Workload:
    above = sum(pair.above for pair in pairs)
    newly = sum(pair.candidate_above and not pair.above for pair in pairs)
    no_longer = sum(pair.above and not pair.candidate_above for pair in pairs)
    other = sum(pair.band != pair.candidate_band for pair in pairs)
    threshold = crossing(above, newly, no_longer, len(pairs))
    # Where a release has two bands, those in another one are those that cross the threshold.
    guards = threshold.candidate == WITHHELD
    first = min(capacity, len(pairs))
    highest = {pair.encounter for pair in sorted(pairs, key=lambda pair: (-pair.risk, pair.encounter))[:first]}
    by_candidate = sorted(pairs, key=lambda pair: (-pair.candidate_risk, pair.encounter))[:first]
    return Workload(
        threshold=threshold,
        other_band=guarded(other) if guards else cell(other, len(pairs)),
        capacity=first,
        replaced=cell(sum(pair.encounter not in highest for pair in by_candidate), first),
    )


def _quantile(values: Floats, share: float) -> float | None:
    """Return a quantile, unless so few values lie beyond it that they could be recognised."""
    beyond = len(values) * round(min(share, 1 - share), 3)
    return float(np.quantile(values, share)) if beyond >= least() else None
