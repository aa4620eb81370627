"""Date format of a text column, inferred from all of its values."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, get_args

import numpy as np
import pandas as pd

from model.dataset.dataset import Floats
from model.dataset.tables.conventions import conventions
from model.dataset.tables.date_shapes import DateShape, shape_of
from model.dataset.tables.numbers import read_all
from model.dataset.tables.texts import Series, Text, texts
from model.errors import UserError

Order = Literal["iso", "day-first", "month-first", "named", "excel"]
CHOICES = ("day-first", "month-first", "iso")
ORDERS: tuple[Order, ...] = get_args(Order)


@dataclass(frozen=True)
class Times:
    """Parsed dates of a column, their format and the evidence for it.

    Attributes
    ----------
    order
        Nothing where the file has a type for dates.
    """

    values: Floats
    order: Order | None
    read_as: str


def times(series: Series, wanted: str | None) -> Times:
    """Return the times of a column, by its type or by the format that all of its texts show.

    Parameters
    ----------
    series : Series
        The column.
    wanted : {"day-first", "month-first", "iso"}, optional
        Date format of texts that show none.

    Returns
    -------
    Times
        Seconds since 1970, their format and the evidence for it.

    Raises
    ------
    UserError
        If the texts do not show the order of day and month, contradict each other, or are not dates.

    Examples
    --------
    >>> import pandas as pd
    >>> from model.dataset.tables import times
    >>> parsed = times(pd.Series(["28/02/2024", "01/03/2024"], name="discharged"), None)
    >>> parsed.order, parsed.values
    ('day-first', array([1.7090784e+09, 1.7092512e+09]))
    """
    if pd.api.types.is_datetime64_any_dtype(series):
        return Times(typed(series), None, "dates by the file's own type")
    return decide(str(series.name), texts(series), wanted)


def typed(series: Series) -> Floats:
    """Return seconds since 1970 of a column that has a type for dates; NaN where there is no time."""
    whole = pd.to_datetime(series, utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(whole), np.nan, whole.astype(np.int64) / 1e6)


def is_date(text: str) -> bool:
    """Whether a text has the shape of a date with separators or the name of a month."""
    shape = shape_of(text)
    return shape is not None and shape.family != "excel" and not text.isdecimal()


def as_written(series: Series, order: Order) -> Floats:
    """Return the moments of a column that is written as another one was; infinite where it is not."""

    def one(text: str) -> float:
        moment = read(text, order)
        return np.inf if np.isnan(moment) and not _is_no_date(text, order) else moment

    return read_all(texts(series), one)


def decide(name: str, values: Text, wanted: str | None) -> Times:
    """Return the moments of a column of text.

    Parameters
    ----------
    name : str
        The column.
    values : array
        Its texts, None where missing.
    wanted : str, optional
        ``day-first``, ``month-first`` or ``iso``, where a person says it.

    Raises
    ------
    UserError
        When the values do not show the order of day and month, contradict each other, or are no dates.
    """
    counts = Counter(text for text in values.tolist() if text is not None)
    shapes = {text: shape for text in counts if (shape := shape_of(text))}
    order, why = _order(name, counts, shapes, wanted)
    moments = read_all(values, lambda text: read(text, order))
    lost = sum(times for text, times in counts.items() if np.isnan(read(text, order)) and not _is_no_date(text, order))
    if not counts or lost > conventions().not_understood * counts.total():
        raise UserError(
            f"The column {name} cannot be read as dates ({lost:,} of {counts.total():,} values are not understood as "
            f"{_WRITTEN[order]}); correct them, give --time another column, or leave it out."
        )
    sentinels = sum(times for text, times in counts.items() if _is_no_date(text, order))
    remarks = [f"{lost:,} not understood and so missing"] if lost else []
    remarks += [f"{sentinels:,} of a day that means no date, such as 9999-12-31"] if sentinels else []
    return Times(moments, order, "; ".join([f"dates read as {_WRITTEN[order]}{why}", *remarks]))


def read(text: str, order: Order) -> float:
    """Return one text as seconds since 1970; NaN where it is not written so, or a day that means no date."""
    moment = _moment(text, order)
    return np.nan if moment is None or moment[0] in conventions().dates else _seconds(*moment)


_WRITTEN = {
    "iso": "year-month-day",
    "day-first": "day/month/year",
    "month-first": "month/day/year",
    "named": "day, name of the month and year",
    "excel": "Excel's day numbers",
}
_FAMILY = {"iso": "iso", "day-first": "numeric", "month-first": "numeric", "named": "named", "excel": "excel"}


def _order(
    name: str, counts: Mapping[str, int], shapes: Mapping[str, DateShape], wanted: str | None
) -> tuple[Order, str]:
    """Return how the dates are written, and the reason in words."""
    families: Counter[str] = Counter()
    for text, shape in shapes.items():
        families[shape.family] += counts[text]
    if not families:
        raise UserError(f"The column {name} cannot be read as dates; give --time another column, or leave it out.")
    family, most = families.most_common(1)[0]
    others = families.total() - most
    if others > conventions().not_understood * families.total():
        formats = " and ".join(f"{times:,} as {_OF_FAMILY[one]}" for one, times in families.most_common())
        raise UserError(
            f"The column {name} writes its dates in several ways ({formats}), as a spreadsheet does that took some of "
            f"them for another day; export it again in one way, at best as 2024-02-28."
        )
    if family != "numeric":
        if wanted and family == "iso" and wanted != "iso":
            raise UserError(f"The column {name} has the year first, but --dates {wanted} was given; leave it out.")
        return ("iso" if family == "iso" else "named" if family == "named" else "excel"), ""
    numeric = [(shape, counts[text]) for text, shape in shapes.items() if shape.family == "numeric"]
    return _day_or_month(name, numeric, wanted)


_OF_FAMILY = {
    "iso": "year-month-day",
    "numeric": "numbers with the year last",
    "named": "names of months",
    "excel": "Excel's day numbers",
}


def _day_or_month(name: str, numeric: list[tuple[DateShape, int]], wanted: str | None) -> tuple[Order, str]:
    """Decide what the first of two numbers is; a shape has the first as its day."""
    first = sum(times for shape, times in numeric if shape.day > 12)
    second = sum(times for shape, times in numeric if shape.month > 12)
    short = ", two-digit years as 1969 to 2068" if any(shape.short_year for shape, _ in numeric) else ""
    if wanted == "iso":
        raise UserError(
            f"The column {name} has the year last, but --dates iso was given; give day-first or month-first."
        )
    if wanted:
        against = second if wanted == "day-first" else first
        if against > conventions().not_understood * sum(times for _, times in numeric):
            raise UserError(
                f"The column {name} has {against:,} values that cannot be {wanted}, which --dates says; leave it out."
            )
        return ("day-first" if wanted == "day-first" else "month-first"), f", as --dates says{short}"
    if first and second:
        raise UserError(
            f"The column {name} contradicts itself: {first:,} values have a day over 12 in the first place and "
            f"{second:,} in the second; correct them, or say with --dates which is right: the others are then missing."
        )
    if (not first and not second) or (short and _year_may_be_first(numeric)):
        raise UserError(
            f"The column {name} does not show whether the day or the month comes first (no value decides it); "
            "give --dates day-first or --dates month-first."
        )
    order: Order = "day-first" if first else "month-first"
    return order, f" because {_have(first or second)} a day over 12{short}"


def _have(number: int) -> str:
    return "1 value has" if number == 1 else f"{number:,} values have"


def _year_may_be_first(numeric: list[tuple[DateShape, int]]) -> bool:
    """Whether numbers with two-digit years may have the year in the first place: then the last one is a day."""
    last = {shape.year % 100 for shape, _ in numeric}
    return max(last) <= 31 and len(last) >= len({shape.day for shape, _ in numeric})


def _moment(text: str, order: Order) -> tuple[date, float] | None:
    shape = shape_of(text)
    if shape is None or shape.family != _FAMILY[order]:
        return None
    swapped = order == "month-first"
    month, day = (shape.day, shape.month) if swapped else (shape.month, shape.day)
    try:
        return date(shape.year, month, day), shape.seconds
    except ValueError:
        return None


def _is_no_date(text: str, order: Order) -> bool:
    moment = _moment(text, order)
    return moment is not None and moment[0] in conventions().dates


def _seconds(day: date, seconds: float) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() + seconds
