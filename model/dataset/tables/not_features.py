"""Columns that are no feature: dates, running numbers, and what tells rows or patients apart."""

import re
from collections import Counter

import numpy as np
import numpy.typing as npt

from model.dataset.dataset import Floats
from model.dataset.tables import dates
from model.dataset.tables.conventions import conventions, words_of
from model.dataset.tables.texts import Text

FEW = 50
A_DATE = "a date or time"
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?")
_LEAST_DAY, _LAST_DAY = 19000101, 21001231
_EXCEL_DAYS = (20_000, 73_415)


def are_dates(counts: Counter[str]) -> bool:
    """Whether nearly all values of a column are dates."""
    hits = sum(times for text, times in counts.items() if _DATE.fullmatch(text) or dates.is_date(text))
    return bool(counts) and hits >= (1 - conventions().not_understood) * counts.total()


def why_no_number(name: str, numbers: Floats, patient: npt.NDArray[np.generic]) -> str | None:
    """Return why whole numbers are no measurement: dates written as one, running numbers, patient numbers."""
    finite = numbers[np.isfinite(numbers)]
    if len(finite) and words_of(name) & conventions().date_names and _within(finite, _EXCEL_DAYS):
        return f"{A_DATE}, as Excel's day number"
    if not len(finite) or (finite != np.floor(finite)).any():
        return None
    distinct = np.unique(finite)
    if _within(distinct, (_LEAST_DAY, _LAST_DAY)):
        month, day = distinct // 100 % 100, distinct % 100
        if ((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all():
            return A_DATE
    many = len(distinct) > 2 * FEW and len(distinct) > 0.9 * min(len(finite), len(np.unique(patient)))
    running = distinct[-1] - distinct[0] < 1.2 * len(distinct)
    return "a number that tells rows or patients apart" if many and (running or distinct[-1] >= 100_000) else None


def _within(values: Floats, bounds: tuple[int, int]) -> bool:
    return bool(values.min() >= bounds[0] and values.max() <= bounds[1])


def why_no_category(text: Text, patient: npt.NDArray[np.generic]) -> str | None:
    """Return why texts are no category: nearly each row or patient has one of its own."""
    recorded = [value for value in text if value is not None]
    distinct = len(set(recorded))
    if distinct > FEW and distinct > 0.5 * min(len(recorded), len(np.unique(patient))):
        return "a text that tells rows or patients apart"
    return None
