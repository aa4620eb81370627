"""Model columns: their types, and the encoding of table values as numbers. Needs numpy only."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

Kind = Literal["numeric", "category"]
OTHER = "(other)"
NOTHING = {"", "?", "na", "n/a", "nan", "null", "none", "#n/a", "-", "."}


@dataclass(frozen=True)
class NumberFormat:
    """Number format of a text column.

    Parameters
    ----------
    decimal : str
        The decimal mark: a point, a comma, or (releases before version 2 of the contract) either.
    thousands : str
        What separates groups of three digits; empty where nothing does.
    limits : bool
        ``<0.5`` and ``>90`` are numbers: the detection limit.
    percent : bool
        Every number but 0 bears a percent sign; ``45%`` is 45.
    truth : bool
        The words true and false, which are 1 and 0.
    sentinels : tuple of float
        Numbers that mean a missing value, such as -999.
    """

    decimal: Literal[".", ",", ".,"] = "."
    thousands: str = ""
    limits: bool = False
    percent: bool = False
    truth: bool = False
    sentinels: tuple[float, ...] = ()

    @classmethod
    def of(cls, stored: Mapping[str, Any] | str) -> "NumberFormat":
        """Return the format that a run or a contract has; one word in those of before."""
        if isinstance(stored, str):
            return cls(truth=stored == "true", decimal=".," if stored == "," else ".")
        return cls(**{**stored, "sentinels": tuple(stored["sentinels"])})


POINT = NumberFormat()


@dataclass(frozen=True)
class Column:
    """One column of the model's matrix.

    Parameters
    ----------
    name : str
        Its name in the table.
    kind : str
        ``numeric``, or ``category``: then the matrix holds the place of the value in ``categories``.
    categories : tuple of str
        The known levels; ``(other)`` stands for rare ones together, and for one that was never seen.
    written : NumberFormat
        How a number is written where it comes as text.
    missing : tuple of str
        Words in lower case that mean a missing value in this column, beyond those that always do.
    meaning, unit, source, window : str
        What it says, for people; empty where nothing is declared.
    """

    name: str
    kind: Kind = "numeric"
    categories: tuple[str, ...] = ()
    written: NumberFormat = POINT
    missing: tuple[str, ...] = ()
    meaning: str = ""
    unit: str = ""
    source: str = ""
    window: str = ""

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Column":
        """Return the column that a run has."""
        typed = {
            "categories": tuple(stored["categories"]),
            "missing": tuple(stored.get("missing", ())),
            "written": NumberFormat.of(stored["written"]),
        }
        return cls(**{**stored, **typed})


def composed(text: str) -> str:
    """Return trimmed text in one Unicode form (NFC): the same letters are the same text, whoever wrote them."""
    return unicodedata.normalize("NFC", text).strip()


def plain(value: Any) -> str | None:
    """Return a value as trimmed text, a whole number without a point; nothing for what means nothing."""
    whole = isinstance(value, float) and value.is_integer()
    text = str(int(value)) if whole else composed(str(value)).removesuffix("<NA>").removesuffix("NaT")
    return None if value is None or text.lower() in NOTHING else text


def codes(column: Column, values: Sequence[Any]) -> Floats:
    """Return the codes of a category's values; an empty value, and an unknown one without ``(other)``, is missing."""
    place = {composed(level): float(number) for number, level in enumerate(column.categories)}
    unknown = place.get(OTHER, np.nan)
    positions = [np.nan if _empty(value, column) else place.get(composed(str(value)), unknown) for value in values]
    return np.array(positions, dtype=np.float64)


def places(columns: Sequence[Column], kind: Kind) -> list[int]:
    """Return where the columns of one kind are."""
    return [place for place, column in enumerate(columns) if column.kind == kind]


def _empty(value: Any, column: Column) -> bool:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return True
    text = str(value).strip()
    return not text or text.lower() in column.missing
