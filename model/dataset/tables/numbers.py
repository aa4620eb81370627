"""Number format of a text column, inferred from all of its values."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from model.dataset.columns import NumberFormat
from model.dataset.dataset import Floats
from model.dataset.tables.conventions import conventions
from model.errors import UserError

Mark = Literal[".", ","]
Counts = Mapping[str, int]

MARKS: dict[str, Mark] = {"point": ".", "comma": ","}
_WORDS = {".": "point", ",": "comma", " ": "space", "'": "apostrophe"}
_TRUTH = {"true": 1.0, "false": 0.0}
# From so many on, a whole number without a separator shows that smaller numbers have none.
_HUNDRED = 100
_SHAPE = re.compile(
    r"(?P<limit>[<>]=?)? ?(?P<sign>[+-]?)(?P<body>\d[\d.,' ]*|[.,]\d+)(?P<power>[eE][+-]?\d+)? ?(?P<percent>%)?"
)
_MINUS, _QUOTE = "\N{MINUS SIGN}", "\N{RIGHT SINGLE QUOTATION MARK}"
_BLANK = "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
_SAME = str.maketrans({"≤": "<", "≥": ">", _MINUS: "-", _QUOTE: "'", **dict.fromkeys(_BLANK, " ")})

_WHOLE = re.compile(r"\d+")
_MAYBE = re.compile(r"[1-9]\d{0,2}([.,])\d{3}")
_GROUPS = re.compile(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}")
_BOTH = re.compile(r"\d{1,3}(?:([.,' ])\d{2,3})(?:\1\d{2,3})*([.,])\d*")
_BLANKS = re.compile(r"\d{1,3}(?:([' ])\d{3})(?:\1\d{3})*")
_ONE = re.compile(r"\d*([.,])\d*")


@dataclass(frozen=True)
class Decided:
    """Parsed numbers of a column (NaN for missing), their format and the evidence for it."""

    written: NumberFormat
    values: dict[str, float]
    why: tuple[str, ...]

    @property
    def lost(self) -> frozenset[str]:
        """The texts that are no number of this format."""
        return frozenset(text for text in self.values if np.isnan(read(text, self.written)))


class _Votes:
    """Counts of values that decide the decimal and thousands separators of a column.

    Attributes
    ----------
    decimal, thousands, either
        By mark, how many values have it as the decimal mark for sure, between groups of digits for sure, and as one of
        both (``1,234``).
    small, large
        How many whole numbers without a separator are from 100 to 999, and greater.
    """

    def __init__(self, counts: Counts) -> None:
        self.decimal: Counter[str] = Counter()
        self.thousands: Counter[str] = Counter()
        self.either: Counter[str] = Counter()
        self.small = self.large = self.total = self.whole = 0
        for text, times in counts.items():
            shape = _SHAPE.fullmatch(text)
            if shape:
                self.total += times
                self._add(shape["body"].strip(), bool(shape["power"]), times)

    def _add(self, body: str, power: bool, times: int) -> None:
        if _WHOLE.fullmatch(body):
            self.whole += times
            self.small += times if _HUNDRED <= int(body) < 10 * _HUNDRED else 0
            self.large += times if int(body) >= 10 * _HUNDRED else 0
        elif hit := _MAYBE.fullmatch(body):
            (self.decimal if power else self.either)[hit[1]] += times
        elif hit := _GROUPS.fullmatch(body):
            self.thousands[hit[1] or ","] += times
        elif (hit := _BOTH.fullmatch(body)) and hit[1] != hit[2]:
            self.thousands[hit[1]] += times
            self.decimal[hit[2]] += times
        elif hit := _BLANKS.fullmatch(body):
            self.thousands[hit[1]] += times
        elif hit := _ONE.fullmatch(body):
            self.decimal[hit[1]] += times

    def shown(self, mark: Mark) -> int:
        """Return how many values show that this is the decimal mark."""
        return max(self.decimal[mark], self.thousands[_other(mark)])

    @property
    def grouped_from_a_thousand(self) -> bool:
        """Whether whole numbers under 1,000 are bare and none above, so that a mark before three digits groups them."""
        few = conventions().not_understood * (self.whole + self.either.total())
        return self.large == 0 and self.small > 0 and self.small >= few


def tidy(text: str) -> str:
    """Return a value with one form of minus, space, apostrophe and limit."""
    return text.translate(_SAME).replace("&lt;", "<").replace("&gt;", ">").strip()


def share(counts: Counts) -> float:
    """Return which share of a column's values has the shape of a number, or is true or false."""
    hits = sum(times for text, times in counts.items() if _SHAPE.fullmatch(tidy(text)) or text.lower() in _TRUTH)
    return hits / max(sum(counts.values()), 1)


def decide(name: str, counts: Counts, wanted: str | None) -> Decided:
    """Return how the values of a column write numbers.

    Parameters
    ----------
    name : str
        The column.
    counts : mapping
        How often each text occurs that does not mean missing.
    wanted : str, optional
        ``point`` or ``comma``, where a person says which one is the decimal mark.

    Raises
    ------
    UserError
        When the values do not show it, or contradict each other or the person.
    """
    if counts and {text.lower() for text in counts} <= _TRUTH.keys():
        written = NumberFormat(truth=True)
        return Decided(written, {text: read(text, written) for text in counts}, ())
    tidied: Counter[str] = Counter()
    for text, times in counts.items():
        tidied[tidy(text)] += times
    votes = _Votes(tidied)
    decimal, why = _decimal(name, votes, MARKS[wanted] if wanted else None)
    written = NumberFormat(decimal=decimal, thousands=_thousands(votes, decimal))
    shapes = [(shape, times) for text, times in tidied.items() if (shape := _SHAPE.fullmatch(text))]
    limits = sum(times for shape, times in shapes if shape["limit"])
    percent = sum(times for shape, times in shapes if shape["percent"])
    written = replace(
        written, limits=0 < limits < votes.total, percent=percent > 0 and percent >= votes.total - percent
    )
    values = {text: read(text, written) for text in counts}
    written, coded = _without_sentinels(written, values, counts)
    if written.limits:
        why += (f"{_values(limits)} at a limit of detection (< or >) taken as the limit",)
    if written.percent:
        why += ("percent signs left out: 45% is 45",)
    values = {text: np.nan if value in written.sentinels else value for text, value in values.items()}
    return Decided(written, values, (*why, *coded))


def read(text: str, written: NumberFormat) -> float:
    """Return one text as a column of this format means it; NaN where it is no such number."""
    if written.truth:
        return _TRUTH.get(text.lower(), np.nan)
    shape = _SHAPE.fullmatch(tidy(text))
    if not shape or (shape["limit"] and not written.limits):
        return np.nan
    digits = _digits(shape["body"].strip(), written)
    if digits is None:
        return np.nan
    value = float(f"{shape['sign']}{digits}{shape['power'] or ''}")
    if bool(shape["percent"]) != written.percent and value != 0:
        return np.nan
    return value if np.isfinite(value) else np.nan


def read_all(texts: npt.NDArray[np.object_], how: Callable[[str], float]) -> Floats:
    """Return texts as numbers, each distinct one read once; NaN for none."""
    once = {text: how(text) for text in dict.fromkeys(texts.tolist()) if text is not None}
    return np.array([np.nan if text is None else once[text] for text in texts], dtype=np.float64)


def _digits(body: str, written: NumberFormat) -> str | None:
    """Return a number's digits with a decimal point, where its groups and its decimal mark are those of the format."""
    mark = next((mark for mark in written.decimal if mark in body), written.decimal[0])
    whole, _, fraction = body.partition(mark)
    if fraction and not fraction.isdecimal():
        return None
    if whole and not whole.isdecimal():
        groups = whole.split(written.thousands) if written.thousands else []
        if not _are_groups(groups, indian=written.thousands == ","):
            return None
        whole = "".join(groups)
    return f"{whole or '0'}.{fraction or '0'}"


def _are_groups(groups: list[str], *, indian: bool) -> bool:
    """Whether digits are grouped by three, or as in India: 12,34,567."""
    first, *others = groups or [""]
    middle = [len(group) for group in others[:-1]]
    right = all(size == 3 for size in middle) or (indian and all(size == 2 for size in middle))
    return bool(others) and right and len(others[-1]) == 3 and 1 <= len(first) <= 3 and "".join(groups).isdecimal()


def _decimal(name: str, votes: _Votes, wanted: Mark | None) -> tuple[Mark, tuple[str, ...]]:
    point, comma = votes.shown("."), votes.shown(",")
    allowed = conventions().not_understood * votes.total
    if wanted:
        against = votes.shown(_other(wanted))
        if against > allowed:
            raise UserError(
                f"The column {name} has {_values(against)} with a decimal {_WORDS[_other(wanted)]}, but --decimal "
                f"{_WORDS[wanted]} was given; leave it out, or give --decimal '{name}={_WORDS[_other(wanted)]}'."
            )
        return wanted, (f"decimal {_WORDS[wanted]} as --decimal says",)
    if min(point, comma) > allowed:
        raise UserError(
            f"The column {name} contradicts itself: {_values(point)} with a decimal point and {_values(comma)} with a "
            f"decimal comma; write it in one way, or leave it out with --without '{name}'."
        )
    if point or comma:
        mark: Mark = "." if point >= comma else ","
        return mark, _shown(votes, mark)
    return _by_groups(name, votes)


def _by_groups(name: str, votes: _Votes) -> tuple[Mark, tuple[str, ...]]:
    """Decide where every mark stands before exactly three digits."""
    marks = [mark for mark in MARKS.values() if votes.either[mark]]
    if not marks:
        return ".", ()
    if len(marks) == 1 and votes.grouped_from_a_thousand:
        mark = marks[0]
        why = f"{_WORDS[mark]} as thousands separator, because {_values(votes.either[mark])} have three digits after it"
        return _other(mark), (f"{why} and {votes.small:,} whole numbers under 1,000 have none",)
    shown = " and ".join(f"{_values(votes.either[mark])} with a {_WORDS[mark]}" for mark in marks)
    raise UserError(
        f"The column {name} does not show whether its {shown} before three digits have thousands or decimals; "
        f"give --decimal point or --decimal comma (for this column: --decimal '{name}=point')."
    )


def _shown(votes: _Votes, mark: Mark) -> tuple[str, ...]:
    other = _other(mark)
    grouped = votes.thousands[other] + votes.either[other]
    if mark == "." and not grouped:
        return ()
    why = f"decimal {_WORDS[mark]}, because {_values(votes.shown(mark))} cannot be read otherwise"
    return (why, f"{_WORDS[other]} as thousands separator in {_values(grouped)}") if grouped else (why,)


def _thousands(votes: _Votes, decimal: Mark) -> str:
    other = _other(decimal)
    marks = {other: votes.thousands[other] + votes.either[other]} | {mark: votes.thousands[mark] for mark in " '"}
    best = max(marks, key=lambda mark: marks[mark])
    return best if marks[best] else ""


def _without_sentinels(
    written: NumberFormat, values: Mapping[str, float], counts: Counts
) -> tuple[NumberFormat, tuple[str, ...]]:
    """Add the numbers that mean a missing value."""
    times: Counter[float] = Counter()
    for text, value in values.items():
        if np.isfinite(value):
            times[value] += counts[text]
    meaning_missing = sentinels(times)
    why = tuple(f"{_values(times[value])} of {value:g} mean missing" for value in meaning_missing)
    return replace(written, sentinels=meaning_missing), why


def sentinels(times: Mapping[float, int]) -> tuple[float, ...]:
    """Return which numbers of a column mean a missing value: by convention, and far from the others."""
    rule = conventions().sentinels
    others = [value for value in times if value not in rule.negative | rule.positive]
    if not others:
        return ()
    least, most = min(others), max(others)
    spread = rule.gap * (most - least)
    doubtful = [v for v in times if v in rule.negative and v < least and (least >= 0 or least - v > spread)]
    for value in (v for v in times if v in rule.positive and v > most):
        often = value >= 9.5 * _HUNDRED and times[value] >= rule.repeated * max(times[most], 1)
        if value - most > spread or often:
            doubtful.append(value)
    return tuple(sorted(doubtful))


def _other(mark: Mark) -> Mark:
    return "," if mark == "." else "."


def _values(number: int) -> str:
    return f"{number:,} value" + ("" if number == 1 else "s")
