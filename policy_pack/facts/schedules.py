"""Schedules of AWS: on which days a ``cron`` or ``rate`` expression runs."""

import re
from dataclasses import dataclass
from typing import Final

_RATE: Final = re.compile(r"rate\(([1-9]\d{0,5}) (minute|hour|day)s?\)")
_CRON: Final = re.compile(r"cron\(([^()]+)\)")
_RATE_DAYS: Final = {"minute": 1 / 1440, "hour": 1 / 24, "day": 1.0}
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_ANY: Final = ("*", "?")
# The last days of a month that every month has.
_IN_EVERY_MONTH: Final = frozenset(range(1, 29))


@dataclass(frozen=True)
class Schedule:
    """Interval of a schedule.

    Parameters
    ----------
    daily
        Whether it runs on every day.
    monthly
        Whether it runs in every month.
    """

    daily: bool
    monthly: bool


NEVER: Final = Schedule(daily=False, monthly=False)


def schedule(expression: str) -> Schedule:
    """Return how often an expression runs; one that cannot be read, or ends in some year, never does."""
    rate = _RATE.fullmatch(expression)
    if rate:
        period = int(rate[1]) * _RATE_DAYS[rate[2]]
        return Schedule(daily=period <= 1, monthly=period <= max(_IN_EVERY_MONTH))
    cron = _CRON.fullmatch(expression)
    fields = cron[1].split() if cron else []
    if len(fields) != 6:
        return NEVER
    minute, hour, day, month, weekday, year = fields
    if year != "*" or not _values(minute, 0, 59) or not _values(hour, 0, 23):
        return NEVER
    # One of the two fields of days is `?`.
    if (day == "?") is (weekday == "?"):
        return NEVER
    days = frozenset(range(1, 32)) if day in _ANY else _values(day, 1, 31)
    weekdays = frozenset(range(1, 8)) if weekday in _ANY else _values(weekday, 1, 7, _DAYS)
    every_month = _values(month, 1, 12, _MONTHS) == frozenset(range(1, 13))
    return Schedule(
        daily=every_month and len(days) == 31 and len(weekdays) == 7,
        monthly=every_month and bool(days & _IN_EVERY_MONTH) and bool(weekdays),
    )


def _values(field: str, first: int, last: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    """Return the values of a field: ``*``, numbers, names, ranges and steps; empty where one of them cannot be read."""
    found: set[int] = set()
    for part in field.split(","):
        spread, _, step = part.partition("/")
        start, _, end = ("*", "", "") if spread == "*" else spread.partition("-")
        low = first if start == "*" else _number(start, first, names)
        high = last if start == "*" or (step and not end) else _number(end or start, first, names)
        every = int(step) if step.isdecimal() and len(step) < 4 else 0 if step else 1
        if low is None or high is None or every < 1 or not first <= low <= high <= last:
            return frozenset()
        found.update(range(low, high + 1, every))
    return frozenset(found)


def _number(text: str, first: int, names: tuple[str, ...]) -> int | None:
    if text.upper() in names:
        return names.index(text.upper()) + first
    return int(text) if text.isdecimal() and len(text) < 4 else None
