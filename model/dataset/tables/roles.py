"""Column roles of a table: label, patient, time, and the options for parsing columns."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from model.dataset.columns import composed
from model.dataset.dataset import Floats
from model.dataset.tables.conventions import conventions
from model.dataset.tables.dates import CHOICES
from model.dataset.tables.numbers import MARKS
from model.dataset.tables.texts import Series, Text, texts
from model.errors import UserError

YES = {"1", "1.0", "true", "yes", "y", "t"}
NO = {"0", "0.0", "false", "no", "n", "f"}
LACE = ("length_of_stay", "emergency", "charlson", "visits")
_ROUNDED = re.compile(r"\d[.,]\d+[eE]\+\d+")


@dataclass(frozen=True)
class Words:
    """Column roles of a table, and the options for parsing it.

    Parameters
    ----------
    label, patient : str
        Columns of the outcome and of the patient.
    positive : str, optional
        Value of the label that means a readmission.
    time : str, optional
        Column of the time of the discharge.
    categorical, groups, without : tuple of str
        Columns that are categories, attributes of subgroups, and columns that are not features.
    dates : str, optional
        Date format of the time: ``day-first``, ``month-first`` or ``iso``.
    decimal : tuple of str
        ``point`` or ``comma`` for every column that does not show it, or ``COLUMN=point`` for one.
    missing : tuple of str
        Further texts that mean a missing value.
    lace : tuple of (str, str)
        Inputs of LACE, each with its column.
    age : str, optional
        Column of the age.

    Raises
    ------
    UserError
        If a date format, a decimal mark or an input of LACE is unknown.

    Examples
    --------
    >>> from model.dataset.tables import Words
    >>> words = Words(label="readmitted", patient="mrn", time="discharged", decimal=("comma", "weight=point"))
    >>> words.named, words.decimal_of("weight"), words.decimal_of("length")
    (('readmitted', 'mrn', 'discharged', 'weight'), 'point', 'comma')
    """

    label: str
    patient: str
    positive: str | None = None
    time: str | None = None
    categorical: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    dates: str | None = None
    decimal: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    lace: tuple[tuple[str, str], ...] = ()
    age: str | None = None

    def __post_init__(self) -> None:
        if self.dates is not None and self.dates not in CHOICES:
            raise UserError(f"--dates must be one of {', '.join(CHOICES)}.")
        for one in self.decimal:
            if one.rpartition("=")[2] not in MARKS:
                raise UserError("--decimal must be point or comma, or COLUMN=point for one column.")
        unknown = [name for name, _ in self.lace if name not in LACE]
        if unknown or (self.lace and len(dict(self.lace)) < len(LACE)):
            raise UserError(f"--lace needs a column for each of {', '.join(f'{name}=COLUMN' for name in LACE)}.")

    def of_table(self, names: Sequence[str]) -> "Words":
        """Return the words with lists of names split at the commas that separate a table's names."""
        return replace(
            self,
            categorical=split_names(self.categorical, names),
            groups=split_names(self.groups, names),
            without=split_names(self.without, names),
        )

    @property
    def named(self) -> tuple[str, ...]:
        """All columns that are named."""
        single = [self.label, self.patient, self.time, self.age]
        decimal = [one.rpartition("=")[0] for one in self.decimal]
        some = [*single, *self.categorical, *self.groups, *decimal, *(column for _, column in self.lace)]
        return tuple(name for name in some if name)

    def decimal_of(self, name: str) -> str | None:
        """Return the decimal mark that a person gives a column: its own before that of all."""
        marks = {column: mark for column, _, mark in (one.rpartition("=") for one in self.decimal)}
        return marks.get(name, marks.get(""))

    def means_missing(self, text: str) -> bool:
        """Whether a text means a missing value, by convention or because a person says so."""
        return text.lower() in conventions().missing or text in self.missing


def split_names(given: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return names given as a,b or one by one; a comma that is part of a known name does not separate.

    Parameters
    ----------
    given : sequence of str
        Values of the option.
    names : sequence of str
        Names of the table's columns.

    Returns
    -------
    tuple of str
        Names of columns.

    Examples
    --------
    >>> split_names(["age,Weight, kg"], ["age", "Weight, kg"])
    ('age', 'Weight, kg')
    """
    columns: list[str] = []
    for one in given:
        parts = composed(one).split(",")
        while parts:
            joined = [composed(",".join(parts[:end])) for end in range(1, len(parts) + 1)]
            taken = next((end for end in range(len(joined), 0, -1) if joined[end - 1] in names), 1)
            columns += [joined[taken - 1]] if joined[taken - 1] else []
            parts = parts[taken:]
    return tuple(columns)


def lace_columns(given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the inputs of LACE with their columns.

    Parameters
    ----------
    given : sequence of str
        Values of the option: ``visits=COLUMN``, one by one or separated by commas.

    Returns
    -------
    tuple of (str, str)
        Each input with its column.

    Examples
    --------
    >>> from model.dataset.tables import lace_columns
    >>> lace_columns(["length_of_stay=days,emergency=acute"])
    (('length_of_stay', 'days'), ('emergency', 'acute'))
    """
    pairs = [pair for one in given for pair in re.split(rf",(?=(?:{'|'.join(LACE)})=)", one)]
    parted = [pair.partition("=") for pair in pairs]
    return tuple((composed(role), composed(column)) for role, _, column in parted)


def need(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse names of columns that the table does not have.

    Parameters
    ----------
    table : DataFrame
        The table.
    names : sequence of str
        Names of columns.

    Raises
    ------
    UserError
        If a name is not a column; the message has the nearest one.

    Examples
    --------
    >>> import pandas as pd
    >>> from model.dataset.tables import need
    >>> need(pd.DataFrame({"readmitted": []}), ["readmited"])
    Traceback (most recent call last):
    model.errors.UserError: The table has no column readmited; did you mean readmitted?
    """
    have = [str(name) for name in table.columns]
    for name in names:
        if name not in have:
            near = difflib.get_close_matches(name, have, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"it has {len(have)} others."
            raise UserError(f"The table has no column {name}; {hint}")


def outcomes(series: Series, words: Words) -> Floats:
    """Return the outcome of each row.

    Parameters
    ----------
    series : Series
        Column of the label.
    words : Words
        Roles and options; ``positive`` is needed where the values are not yes and no.

    Returns
    -------
    ndarray of float, shape (n rows,)
        1 for a readmission, 0 for none, NaN for missing.

    Raises
    ------
    UserError
        If the label has other values than yes and no, or nowhere the value of ``positive``.

    Examples
    --------
    >>> import pandas as pd
    >>> from model.dataset.tables import Words, outcomes
    >>> outcomes(pd.Series(["yes", "no", ""]), Words(label="readmitted", patient="mrn"))
    array([ 1.,  0., nan])
    """
    text = _known(series, words)
    recorded = np.array([value is not None for value in text])
    if words.positive is not None:
        positive = composed(words.positive)
        hit = np.array([value == positive for value in text], dtype=np.float64)
        if not hit.any():
            raise UserError(f"The label {series.name} is nowhere the value given with --positive; check its spelling.")
        return np.where(recorded, hit, np.nan)
    lower = [None if value is None else value.lower() for value in text]
    if {value for value in lower if value} - YES - NO:
        raise UserError(
            f"The label {series.name} has other values than yes and no; say with --positive which one is a readmission."
        )
    return np.array([np.nan if value is None else float(value in YES) for value in lower])


def identities(series: Series, words: Words | None = None) -> Text:
    """Return the patient of each row, as text.

    Parameters
    ----------
    series : Series
        Column of the patient.
    words : Words, optional
        Options for texts that mean a missing value.

    Returns
    -------
    ndarray of object, shape (n rows,)
        Identifiers; None for missing.

    Raises
    ------
    UserError
        If a spreadsheet rounded the numbers, so that several patients have one identifier.

    Examples
    --------
    >>> import pandas as pd
    >>> from model.dataset.tables import identities
    >>> identities(pd.Series([" 17", "", "18"])).tolist()
    ['17', None, '18']
    """
    patients = texts(series) if words is None else _known(series, words)
    rounded = sum(_ROUNDED.fullmatch(value) is not None for value in patients if value is not None)
    if rounded:
        raise UserError(
            f"The column {series.name} holds {rounded:,} numbers that a spreadsheet rounded (1.23E+15), so they tell "
            "patients no longer apart; export it as text."
        )
    return patients


def _known(series: Series, words: Words) -> Text:
    """Return texts, None for what means a missing value, also as a negative number by convention."""
    negative = {str(int(number)) for number in conventions().sentinels.negative}
    values = [None if v is None or v in negative or words.means_missing(v) else v for v in texts(series)]
    return np.array(values, dtype=object)
