"""What a model's columns are, and how a table's values become the numbers that it takes. Needs numpy only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

Kind = Literal["numeric", "category"]
Written = Literal[".", ",", "true"]
OTHER = "(other)"
NOTHING = {"", "?", "na", "n/a", "nan", "null", "none", "#n/a", "-", "."}


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
    written : str
        How a number is written where it comes as text: with a point, with a decimal comma, or as true and false.
    meaning, unit, source, window : str
        What it says, for people; empty where nothing is declared.
    """

    name: str
    kind: Kind = "numeric"
    categories: tuple[str, ...] = ()
    written: Written = "."
    meaning: str = ""
    unit: str = ""
    source: str = ""
    window: str = ""


def plain(value: Any) -> str | None:
    """Return a value as trimmed text, a whole number without a point; nothing for what means nothing."""
    whole = isinstance(value, float) and value.is_integer()
    text = str(int(value)) if whole else str(value).strip().removesuffix("<NA>").removesuffix("NaT")
    return None if value is None or text.lower() in NOTHING else text


def codes(column: Column, values: Sequence[Any]) -> Floats:
    """Return the codes of a category's values; an empty value, and an unknown one without ``(other)``, is missing."""
    place = {level: float(number) for number, level in enumerate(column.categories)}
    unknown = place.get(OTHER, np.nan)
    found = [np.nan if _empty(value) else place.get(str(value).strip(), unknown) for value in values]
    return np.array(found, dtype=np.float64)


def places(columns: Sequence[Column], kind: Kind) -> list[int]:
    """Return where the columns of one kind are."""
    return [place for place, column in enumerate(columns) if column.kind == kind]


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value)) or not str(value).strip()
