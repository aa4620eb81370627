"""Column type of a table (numeric, category or neither), inferred from all values, with the reasons."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.dataset.columns import OTHER, Column, NumberFormat, codes
from model.dataset.dataset import Floats
from model.dataset.tables import numbers
from model.dataset.tables.codes import why_codes
from model.dataset.tables.conventions import conventions
from model.dataset.tables.not_features import A_DATE, FEW, are_dates, why_no_category, why_no_number
from model.dataset.tables.roles import Words
from model.dataset.tables.texts import Series, Text, texts

MOST_LEVELS = 500
PLAIN_NUMBER, PLAIN_NAMES, YES_NO = "numbers", "names", "yes or no"
PLAIN = frozenset({PLAIN_NUMBER, PLAIN_NAMES, YES_NO})
MANY = 10
_HALF = 0.5
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Described:
    """Column of a table with its type and values.

    Attributes
    ----------
    column : Column
        Type, categories and number format.
    values : ndarray of float, shape (n kept rows,)
        Numbers, or positions of categories; NaN for missing.
    read_as : str
        How it was read and the evidence for it, as text.

    Examples
    --------
    >>> import numpy as np
    >>> from model.dataset.columns import Column
    >>> from model.dataset.tables import Described
    >>> Described(Column("age"), np.array([71.0, np.nan]), "numbers").column.kind
    'numeric'
    """

    column: Column
    values: Floats
    read_as: str


@dataclass(frozen=True)
class Rows:
    """Row roles of a table: kept, training, patient.

    Parameters
    ----------
    kept : ndarray of bool, shape (n rows,)
        Rows of the table that are used; the format of a column is inferred from all rows.
    fit : ndarray of bool, shape (n kept rows,)
        Training rows; the levels of a category are taken from these.
    patient : ndarray, shape (n kept rows,)
        Patient of each row.

    Examples
    --------
    >>> import numpy as np
    >>> from model.dataset.tables import Rows
    >>> rows = Rows(kept=np.ones(3, dtype=bool), fit=np.array([True, True, False]), patient=np.array(["a", "a", "b"]))
    >>> int(rows.fit.sum())
    2
    """

    kept: npt.NDArray[np.bool_]
    fit: npt.NDArray[np.bool_]
    patient: npt.NDArray[np.generic]


@dataclass(frozen=True)
class _Given:
    """A column of text: its values, None where missing, how often each occurs, and what means missing in it."""

    name: str
    text: Text
    counts: Counter[str]
    missing: Counter[str]

    @property
    def said(self) -> str:
        """What means missing, in words."""
        words = ", ".join(f"{times:,} of {word}" for word, times in sorted(self.missing.items()))
        return f"; missing are {words}" if words else ""

    @property
    def words(self) -> tuple[str, ...]:
        """The words that mean missing."""
        return tuple(sorted(self.missing))


def describe(series: Series, rows: Rows, words: Words) -> Described | str:
    """Return a column with its type and values, or the reason for its exclusion.

    Parameters
    ----------
    series : Series
        The column.
    rows : Rows
        Row roles of the table.
    words : Words
        Column roles, and options for parsing.

    Returns
    -------
    Described or str
        The column, or its exclusion reason.

    Raises
    ------
    UserError
        If the values do not show how numbers are written, or contradict each other.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from model.dataset.tables import Rows, Words, describe
    >>> rows = Rows(kept=np.ones(2, dtype=bool), fit=np.ones(2, dtype=bool), patient=np.array(["a", "b"]))
    >>> described = describe(pd.Series([4, 9], name="days"), rows, Words(label="readmitted", patient="mrn"))
    >>> described.read_as, described.values
    ('numbers', array([4., 9.]))
    """
    name = str(series.name)
    category = name in words.categorical
    if pd.api.types.is_datetime64_any_dtype(series):
        return A_DATE
    if is_numeric(series):
        return _typed(series, rows, words, category)
    column = _given(series, words)
    if are_dates(column.counts):
        return A_DATE
    if not column.counts:
        return Described(Column(name), np.full(int(rows.kept.sum()), np.nan), PLAIN_NUMBER + column.said)
    if category:
        return _names(column, rows, "")
    why = why_codes(name, column.counts)
    if why or numbers.share(column.counts) < 1 - conventions().not_understood:
        return _names_or_neither(column, rows, why)
    return _numbers(column, rows, words)


def groups(series: Series, rows: Rows, words: Words) -> npt.NDArray[np.str_]:
    """Return the subgroup of each row for an attribute; numbers with many values are grouped by quartile.

    Parameters
    ----------
    series : Series
        Column of the attribute.
    rows : Rows
        Row roles of the table.
    words : Words
        Column roles, and options for parsing.

    Returns
    -------
    ndarray of str, shape (n kept rows,)
        Names of subgroups; empty for missing.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from model.dataset.tables import Rows, Words, groups
    >>> rows = Rows(kept=np.ones(200, dtype=bool), fit=np.ones(200, dtype=bool), patient=np.arange(200))
    >>> sex = pd.Series(100 * ["f", "m"], name="sex")
    >>> groups(sex, rows, Words(label="readmitted", patient="mrn"))[:3].tolist()
    ['f', 'm', 'f']
    """
    described = describe(series, rows, words)
    if isinstance(described, Described) and described.column.kind == "numeric":
        values = described.values
        if len(np.unique(values[np.isfinite(values)])) > MANY:
            edges = np.nanquantile(values[rows.fit], [0.25, 0.5, 0.75])
            place = np.searchsorted(edges, values, side="left")
            return np.where(np.isnan(values), "", np.array([f"quarter {i + 1}" for i in place]))
    names = _levels(_given(series, words), rows)
    levels = np.array([*names.column.categories, ""])
    place = np.where(np.isnan(names.values), len(levels) - 1, names.values).astype(np.int64)
    chosen: npt.NDArray[np.str_] = levels[place]
    return chosen


def is_numeric(series: Series) -> bool:
    """Whether a column has a type for numbers, or for yes and no."""
    return pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series)


def typed_numbers(series: Series) -> Floats:
    """Return the numbers of a column that has a type for them."""
    parsed = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isinf(parsed), np.nan, parsed)


def _given(series: Series, words: Words) -> _Given:
    text = texts(series)
    occurrences = Counter(value for value in text.tolist() if value is not None)
    missing = {value: times for value, times in occurrences.items() if words.means_missing(value)}
    if missing:
        text = np.array([None if value in missing else value for value in text], dtype=object)
    lower: Counter[str] = Counter()
    for value, times in missing.items():
        lower[value.lower()] += times
    return _Given(str(series.name), text, occurrences - Counter(missing), lower)


def _typed(series: Series, rows: Rows, words: Words, category: bool) -> Described | str:
    """Describe a column that has a type for numbers: the file says what it is, so nothing is guessed."""
    if category:
        return _names(_given(series, words), rows, "")
    values = typed_numbers(series)
    by_hand = tuple(sorted(float(text) for text in words.missing if _NUMBER.fullmatch(text)))
    values[np.isin(values, by_hand)] = np.nan
    out = why_no_number("", values[rows.kept], rows.patient)
    if out:
        return out
    truth = pd.api.types.is_bool_dtype(series)
    doubtful = numbers.sentinels(Counter(values[np.isfinite(values)].tolist()))
    remark = "".join(f"; {value:g} is kept as a number; --missing={value:g} if it means missing" for value in doubtful)
    column = Column(str(series.name), written=NumberFormat(truth=truth, sentinels=by_hand))
    return Described(column, values[rows.kept], (YES_NO if truth else PLAIN_NUMBER) + remark)


def _numbers(given: _Given, rows: Rows, words: Words) -> Described | str:
    """Describe a column of text in which nearly all values have the shape of a number."""
    decided = numbers.decide(given.name, given.counts, words.decimal_of(given.name))
    total, allowed = given.counts.total(), conventions().not_understood
    odd = decided.lost
    lost = sum(times for text, times in given.counts.items() if text in odd)
    if lost > allowed * total:
        return _names_or_neither(given, rows, None)
    values = numbers.read_all(given.text, decided.values.__getitem__)[rows.kept]
    out = why_no_number(given.name, values, rows.patient)
    if out:
        return out
    why = [*decided.why, *([f"{lost:,} of {total:,} values are not understood and so missing"] if lost else [])]
    kind = YES_NO if decided.written.truth else PLAIN_NUMBER
    column = Column(given.name, written=decided.written, missing=given.words)
    return Described(column, values, (f"{kind}: {'; '.join(why)}" if why else kind) + given.said)


def _names_or_neither(given: _Given, rows: Rows, codes_because: str | None) -> Described | str:
    """Describe a column of text that is not one of numbers."""
    share = numbers.share(given.counts)
    if codes_because:
        values = numbers.read_all(given.text, _number)[rows.kept]
        return why_no_number(given.name, values, rows.patient) or _names(given, rows, codes_because if share else "")
    if share < _HALF:
        return _names(given, rows, "")
    if len(given.counts) <= FEW:
        return _names(given, rows, "not all of the few values are numbers")
    return "neither numbers nor names: more than 5% of the values are not understood as numbers of one form"


def _names(given: _Given, rows: Rows, why: str) -> Described | str:
    return why_no_category(given.text[rows.kept], rows.patient) or _levels(given, rows, why)


def _number(text: str) -> float:
    return float(text) if _NUMBER.fullmatch(text) else np.nan


def _levels(given: _Given, rows: Rows, why: str = "") -> Described:
    """Return a category with the levels that enough training rows have; the rest is pooled."""
    text = given.text[rows.kept]
    counted = pd.Series(text[rows.fit], dtype="object").value_counts()
    kept = sorted(str(level) for level in counted.index[counted >= conventions().sure_rows][:MOST_LEVELS])
    column = Column(given.name, "category", (*kept, OTHER), missing=given.words)
    read_as = f"{PLAIN_NAMES} ({why})" if why else PLAIN_NAMES
    return Described(column, codes(column, text.tolist()), read_as + given.said)
