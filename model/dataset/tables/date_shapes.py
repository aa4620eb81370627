"""A date as a text has it: its parts, whichever of two numbers is the day."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from model.dataset.tables.conventions import conventions, folded

_FIRST_EXCEL, _LAST_EXCEL = 7_306, 73_415
_EXCEL_ZERO = date(1899, 12, 30)
_MIDDLE = 69
_ISO = re.compile(r"(?P<y>\d{4})(?P<s>[-/. ]?)(?P<m>\d{2}|(?<=\D)\d)(?P=s)(?P<d>\d{2}|(?<=\D)\d)(?P<rest>\D.*)?")
_COMPACT = re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2})?(?P<zone>[+-]\d{4})?")
_MONTH = re.compile(r"(?P<y>\d{4})[-/](?P<m>\d{1,2})")
_NUMERIC = re.compile(r"(?P<a>\d{1,2})(?P<s>[-/. ])(?P<b>\d{1,2})(?P=s)(?P<y>\d{4}|\d{2})(?P<rest>\D.*)?")
_NAMED = re.compile(
    r"(?P<d>\d{1,2})(?:st|nd|rd|th)?\.?[-/ ]?(?:de )?(?P<n>[^\W\d_]{3,})\.?"
    r"[-/, ]*(?:de )?(?P<y>\d{4}|\d{2})(?P<rest>\D.*)?"
)
_NAME_FIRST = re.compile(r"(?P<n>[^\W\d_]{3,})\.?[- ](?P<d>\d{1,2})(?:st|nd|rd|th)?[-, ]+(?P<y>\d{4})(?P<rest>\D.*)?")
_EXCEL = re.compile(r"\d{4,5}(?:[.,]\d+)?")
_TIME = re.compile(
    r"[T ,:]*(?P<H>\d{1,2})[:.hH]?(?P<M>\d{2})(?:[:.](?P<S>\d{2})(?:[.,](?P<f>\d+))?)?"
    r"(?: ?(?P<half>[aApP])\.?[mM]\.?)?(?: ?(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?"
)


@dataclass(frozen=True)
class DateShape:
    """A date as its parts; of numbers with the year last, the first as the day."""

    family: Literal["iso", "numeric", "named", "excel"]
    year: int
    month: int
    day: int
    seconds: float = 0.0
    short_year: bool = False


@functools.lru_cache(maxsize=100_000)
def shape_of(text: str) -> DateShape | None:
    """Return a date's parts; None for a text that has the shape of none."""
    for pattern, family in ((_ISO, "iso"), (_COMPACT, "iso"), (_NUMERIC, "numeric")):
        if hit := pattern.fullmatch(text):
            return _of_numbers(hit, "iso" if family == "iso" else "numeric")
    if hit := _NAMED.fullmatch(text) or _NAME_FIRST.fullmatch(text):
        month = _month(hit["n"])
        return _of_parts(hit, "named", _year(hit["y"]), month, int(hit["d"])) if month else None
    if hit := _MONTH.fullmatch(text):
        return _of_parts(hit, "iso", int(hit["y"]), int(hit["m"]), 1)
    if _EXCEL.fullmatch(text) and _FIRST_EXCEL <= (days := float(text.replace(",", "."))) <= _LAST_EXCEL:
        day = _EXCEL_ZERO + timedelta(days=int(days))
        return DateShape("excel", day.year, day.month, day.day, float(round((days - int(days)) * 86_400)))
    return None


def _of_numbers(hit: "re.Match[str]", family: Literal["iso", "numeric"]) -> DateShape | None:
    if family == "iso":
        moment = _of_parts(hit, "iso", int(hit["y"]), int(hit["m"]), int(hit["d"]))
        return moment if moment and moment.month <= 12 and moment.day <= 31 else None
    return _of_parts(hit, "numeric", _year(hit["y"]), int(hit["b"]), int(hit["a"]))


def _of_parts(
    hit: "re.Match[str]", family: Literal["iso", "numeric", "named"], year: int, month: int, day: int
) -> DateShape | None:
    parts = hit.groupdict()
    rest = parts.get("rest")
    clock = _TIME.fullmatch(rest) if rest else None
    if rest and clock is None:
        return None
    seconds = _clock(clock.groupdict() if clock else parts)
    if seconds is None:
        return None
    return DateShape(family, year, month, day, seconds, short_year=len(parts["y"]) == 2)


def _clock(parts: Mapping[str, str | None]) -> float | None:
    """Return the seconds of a time of day in UTC; nothing where there is no such time."""
    hour, minute, second = (int(parts.get(name) or 0) for name in "HMS")
    half = (parts.get("half") or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 24 or minute > 59 or second > 60:
        return None
    fraction = float(f"0.{parts.get('f') or 0}")
    return hour * 3600 + minute * 60 + second + fraction - _zone(parts.get("zone") or "")


def _zone(text: str) -> float:
    if not text or text[0] not in "+-":
        return 0.0
    digits = text[1:].replace(":", "").ljust(4, "0")
    return (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * (-1 if text[0] == "-" else 1)


def _year(text: str) -> int:
    year = int(text)
    return year if len(text) == 4 else year + (1900 if year >= _MIDDLE else 2000)


def _month(name: str) -> int:
    """Return the number of a month by its name; 0 where it is none."""
    letters = folded(name)
    hits = [
        (len(start), number)
        for number, starts in enumerate(conventions().months, 1)
        for start in starts
        if letters.startswith(start)
    ]
    return max(hits)[1] if hits else 0
