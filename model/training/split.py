"""Train-test split, by patient and by time."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.dataset.dataset import Dataset, Floats
from model.training.settings import SplitRule, settings

DAY = 86_400.0

Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """Row masks of shape (n,): training, test, or (a training patient's, after the cut) unused."""

    fit: Rows
    test: Rows
    later: Rows
    how: str


def split(data: Dataset, *, return_days: int) -> Split:
    """Split discharges by patient and, where their time is known, by time.

    The test patients are selected by hash of the pseudonym, so they stay the same whatever else is in the table.
    Training takes the other patients' discharges whose outcome was known before the cut, a quantile of all
    discharge times; the test patients keep all of theirs, and ``later`` marks those after the cut. The dates of one
    patient are shifted together by up to a year, so the cut is sharp on the shifted calendar and blurred on the
    true one: it shows drift over years, not the effect of a single day.

    Parameters
    ----------
    data : Dataset
        The discharges.
    return_days : int
        The readmission window in days: an outcome is known that long after the discharge.
    """
    rule = settings().split
    test = is_test(data.patient, parts=rule.test_parts)
    how = f"one patient in {rule.test_parts} held out for the test, by hash of the pseudonym"
    if data.time is None:
        return Split(~test, test, np.zeros(len(data), dtype=bool), f"{how}; no time, so no temporal split")
    cut, later, observed = _cut(data.time, rule, return_days)
    how += (
        f"; training on outcomes known before the {rule.later_from:.0%} quantile of the time ({return_days} days "
        "of follow-up); dates are shifted for each patient by up to a year, which blurs the cut by as much"
    )
    return Split(~test & observed & np.isfinite(cut), test, later, how)


def is_test(patients: npt.NDArray[np.str_], *, parts: int | None = None) -> Rows:
    """Return a mask of the test patients' rows, selected by hash of the pseudonym."""
    of = parts or settings().split.test_parts
    unique, place = np.unique(patients, return_inverse=True)
    picked = [int.from_bytes(hashlib.sha256(str(p).encode()).digest()[:4], "big") % of == 0 for p in unique]
    return np.array(picked, dtype=bool)[place]


def _cut(time: Floats, rule: SplitRule, return_days: int) -> tuple[float, Rows, Rows]:
    """Return the cut, which rows lie after it, and of which the outcome was known by then."""
    when = float(np.nanquantile(time, rule.later_from)) if np.isfinite(time).any() else float("nan")
    return when, time > when, time + return_days * DAY <= when
