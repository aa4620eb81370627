"""A hospital's own table: read it, find outcome, patient and time in it, and tell what its columns are."""

import difflib
import gzip
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from model import places
from model.dataset import Floats
from model.errors import UserError
from model.training.columns import OTHER, Column, Written, codes, plain
from model.training.settings import settings

YES = {"1", "1.0", "true", "yes", "y", "t"}
NO = {"0", "0.0", "false", "no", "n", "f"}
SEPARATORS = (",", ";", "\t", "|")
NUMBERS = 0.95
MOST_LEVELS = 500
FEW = 50
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?")
_TRUTH = {"true": "1", "false": "0"}
_POINTS: tuple[Written, ...] = (".", ",")
_LEAST_DAY, _LAST_DAY = 19000101, 21001231

Text = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Words:
    """Which columns of a table are what."""

    label: str
    patient: str
    positive: str | None = None
    time: str | None = None
    categorical: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Numbers:
    """A column's numbers, and how they were written where they came as text."""

    written: Written
    values: Floats


def read_table(place: str) -> pd.DataFrame:
    """Return a Parquet file, or a CSV file (comma, semicolon, tab; gzip or not; UTF-8 or Windows) as text.

    Raises
    ------
    UserError
        When it is neither.
    """
    content = places.read(place)
    try:
        if content[:4] == b"PAR1":
            return pd.DataFrame(pq.read_table(io.BytesIO(content)).to_pandas())
        raw = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        text = _decoded(raw)
        head = text.partition("\n")[0]
        separator = max(SEPARATORS, key=head.count)
        return pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    except (pa.ArrowException, OSError, EOFError, ValueError) as fault:
        raise UserError(
            f"{place} cannot be read as Parquet or CSV ({type(fault).__name__}); save it anew with one header line."
        ) from None


def need(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse names of columns that the table does not have, with the nearest one that it has."""
    have = [str(name) for name in table.columns]
    for name in names:
        if name not in have:
            near = difflib.get_close_matches(name, have, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"it has {len(have)} others."
            raise UserError(f"The table has no column {name}; {hint}")


def outcomes(series: "pd.Series[Any]", positive: str | None) -> Floats:
    """Return 1, 0 or (missing) NaN for each row.

    Parameters
    ----------
    series : Series
        The label.
    positive : str, optional
        The value that means a readmission; needed where the values do not say it themselves.
    """
    text = _texts(series)
    known = np.array([value is not None for value in text])
    if positive is not None:
        hit = np.array([value == positive.strip() for value in text], dtype=np.float64)
        if not hit.any():
            raise UserError(f"The label {series.name} is nowhere the value given with --positive; check its spelling.")
        return np.where(known, hit, np.nan)
    plain = [None if value is None else value.lower() for value in text]
    if {value for value in plain if value} - YES - NO:
        raise UserError(
            f"The label {series.name} has other values than yes and no; say with --positive which one is a readmission."
        )
    return np.array([np.nan if value is None else float(value in YES) for value in plain])


def identities(series: "pd.Series[Any]") -> Text:
    """Return whose row it is, as text; nothing where it is empty."""
    return _texts(series)


def times(series: "pd.Series[Any]") -> Floats:
    """Return seconds since 1970; NaN where there is no time.

    Raises
    ------
    UserError
        When most of it cannot be read as a date.
    """
    found = moments(series)
    given = int(pd.notna(_texts(series)).sum())
    if not given or int(np.isfinite(found).sum()) < NUMBERS * given:
        raise UserError(f"The column {series.name} cannot be read as dates; give --time another, or leave it out.")
    return found


def moments(series: "pd.Series[Any]") -> Floats:
    """Return seconds since 1970; NaN where there is nothing that can be read as a date."""
    text = series if pd.api.types.is_datetime64_any_dtype(series) else pd.Series(_texts(series), dtype="object")
    read = pd.to_datetime(text, errors="coerce", utc=True, format="mixed")
    whole = read.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(whole), np.nan, whole.astype(np.int64) / 1e6)


def numbers_as(series: "pd.Series[Any]", written: Written) -> Floats:
    """Return a column's numbers as training reads them, NaN for what is none; ``written`` is how text has them."""
    if _numeric(series):
        found = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(np.isinf(found), np.nan, found)
    texts = _texts(series)
    if written == "true":
        texts = np.array([None if v is None else _TRUTH.get(v.lower(), v) for v in texts], dtype=object)
    point = "," if written == "," else "."
    pointed = pd.Series([None if v is None else v.replace(point, ".") for v in texts], dtype="object")
    found = pd.to_numeric(pointed, errors="coerce").to_numpy(dtype=np.float64)
    return np.where(np.isinf(found), np.nan, found)


def describe(
    series: "pd.Series[Any]", *, fit: npt.NDArray[np.bool_], patient: npt.NDArray[Any], category: bool
) -> tuple[Column, Floats] | str:
    """Return a column and its values as the model takes them, or why it is left out.

    Parameters
    ----------
    series : Series
        One column of the table.
    fit : array of bool
        The training rows: the levels of a category are taken from these.
    patient : array
        Whose row it is.
    category : bool
        Take numbers as names of something.
    """
    if pd.api.types.is_datetime64_any_dtype(series):
        return "a date or time"
    text = None if _numeric(series) else _texts(series)
    numbers = _numbers(series, text)
    if numbers is not None and not category:
        reason = _bad_numbers(numbers.values, patient)
        return reason or (Column(str(series.name), written=numbers.written), numbers.values)
    found = _texts(series) if text is None else text
    return _bad_texts(found, patient) or _levels(str(series.name), found, fit)


def groups(series: "pd.Series[Any]", fit: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Return the group of each row for an attribute; many numbers are told apart by their quarters."""
    found = _numbers(series, None if _numeric(series) else _texts(series))
    numbers = None if found is None else found.values
    if numbers is not None and len(np.unique(numbers[np.isfinite(numbers)])) > 10:
        edges = np.nanquantile(numbers[fit], [0.25, 0.5, 0.75])
        place = np.searchsorted(edges, numbers, side="left")
        return np.where(np.isnan(numbers), "", np.array([f"quarter {i + 1}" for i in place]))
    column, level = _levels(str(series.name), _texts(series), fit)
    names = np.array([*column.categories, ""])
    chosen: npt.NDArray[Any] = names[np.where(np.isnan(level), len(names) - 1, level).astype(np.int64)]
    return chosen


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _numeric(series: "pd.Series[Any]") -> bool:
    return pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series)


def _texts(series: "pd.Series[Any]") -> Text:
    return np.array([plain(value) for value in series.tolist()], dtype=object)


def _numbers(series: "pd.Series[Any]", text: Text | None) -> Numbers | None:
    """Return numbers where nearly all that is given is one; decimal commas too."""
    if text is None:
        truth = pd.api.types.is_bool_dtype(series)
        return Numbers("true" if truth else ".", numbers_as(series, "."))
    given = [value for value in text if value is not None]
    if given and {value.lower() for value in given} <= _TRUTH.keys():
        return Numbers("true", numbers_as(series, "true"))
    for written in _POINTS:
        found = numbers_as(series, written)
        if np.isfinite(found).sum() >= NUMBERS * len(given):
            return Numbers(written, found)
    return None


def _bad_numbers(numbers: Floats, patient: npt.NDArray[Any]) -> str | None:
    """Return why whole numbers are no measurement: dates written as one, running numbers, patient numbers."""
    given = numbers[np.isfinite(numbers)]
    if not len(given) or (given != np.floor(given)).any():
        return None
    distinct = np.unique(given)
    if distinct[0] >= _LEAST_DAY and distinct[-1] <= _LAST_DAY:
        month, day = distinct // 100 % 100, distinct % 100
        if ((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all():
            return "a date or time"
    many = len(distinct) > 2 * FEW and len(distinct) > 0.9 * min(len(given), len(np.unique(patient)))
    running = distinct[-1] - distinct[0] < 1.2 * len(distinct)
    return "a number that tells rows or patients apart" if many and (running or distinct[-1] >= 100_000) else None


def _bad_texts(text: Text, patient: npt.NDArray[Any]) -> str | None:
    given = [value for value in text if value is not None]
    if given and sum(_DATE.fullmatch(value) is not None for value in given) >= NUMBERS * len(given):
        return "a date or time"
    distinct = len(set(given))
    if distinct > FEW and distinct > 0.5 * min(len(given), len(np.unique(patient))):
        return "a text that tells rows or patients apart"
    return None


def _levels(name: str, text: Text, fit: npt.NDArray[np.bool_]) -> tuple[Column, Floats]:
    """Return a category with the levels that enough training rows have; the rest is pooled."""
    counted = pd.Series(text[fit], dtype="object").value_counts()
    kept = sorted(str(level) for level in counted.index[counted >= settings().sure_rows][:MOST_LEVELS])
    column = Column(name, "category", (*kept, OTHER))
    return column, codes(column, text.tolist())
