"""Baseline of a model on a hospital's own table: LACE, or age alone, or the base rate."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.dataset.dataset import Floats
from model.dataset.tables.conventions import conventions, folded, words_of
from model.dataset.tables.describe import Described, Rows, describe
from model.dataset.tables.roles import LACE, NO, YES, Words
from model.dataset.tables.texts import Series, texts
from model.errors import UserError
from model.metrics.roc_auc import roc_auc

INDEX, AGE, BASE_RATE = "LACE", "age alone", "the base rate"


@dataclass(frozen=True)
class Baseline:
    """Baseline score of each row.

    Attributes
    ----------
    name
        ``LACE``, ``age alone`` or ``the base rate``.
    values
        The score of each row; NaN where an input is missing.
    columns
        The columns that it is computed from, by their role.
    """

    name: str
    values: Floats
    columns: dict[str, str]

    @property
    def read_as(self) -> str:
        """What the comparison is with, in words."""
        source = ", ".join(f"{role} from {column}" for role, column in self.columns.items())
        if self.name == INDEX:
            return f"computed: {source}"
        lacks = "the table lacks columns for LACE"
        return f"{lacks}, so the comparison is with {self.name}" + (f" ({source})" if source else "")


def baseline(table: pd.DataFrame, words: Words, rows: Rows, label: npt.NDArray[np.int64]) -> Baseline:
    """Return LACE where the table has its four inputs, else the age, else the base rate."""
    inputs = dict(words.lace) or _by_name(table)
    if inputs:
        return Baseline(INDEX, _lace({role: table[column] for role, column in inputs.items()}, rows, words), inputs)
    for name in [words.age] if words.age else _ages(table):
        age = _numbers(table[name], rows, words)
        if age is None and words.age:
            raise UserError(f"The column {name} given with --age does not hold numbers; give another column.")
        # Where the old come back less often, youth is what tells: the better of both ways is the fair comparison.
        eligible = rows.fit if age is None else np.isfinite(age) & rows.fit
        if age is not None and len(np.unique(label[eligible])) > 1:
            return Baseline(AGE, age if roc_auc(age[eligible], label[eligible]) >= 0.5 else -age, {"age": name})
    return Baseline(BASE_RATE, np.zeros(len(label)), {})


def _ages(table: pd.DataFrame) -> list[str]:
    """Return the columns whose name says that they hold the age, and at most its unit."""
    age_words = conventions().age_names
    column_words = {str(name): {folded(word) for word in words_of(str(name))} for name in table.columns}
    return [
        name
        for name, words in column_words.items()
        if words & age_words.of and words <= age_words.of | age_words.beside
    ]


def _by_name(table: pd.DataFrame) -> dict[str, str]:
    """Return the columns that bear the names of LACE's inputs; nothing where one is absent."""
    have = {str(name).lower(): str(name) for name in table.columns}
    hits = {role: next((have[name] for name in conventions().lace_names[role] if name in have), "") for role in LACE}
    return hits if all(hits.values()) else {}


def _lace(inputs: Mapping[str, Series], rows: Rows, words: Words) -> Floats:
    """Return the LACE index of each row, by the expression that features are made with."""
    import ibis

    from model.definitions.features import definitions
    from model.features.expression import lace

    points = pd.DataFrame(
        {
            "stay_length": _counts(inputs["length_of_stay"], rows, words, whole=False),
            "acute": _emergencies(inputs["emergency"], words)[rows.kept],
            "lace_score": _counts(inputs["charlson"], rows, words, whole=True),
            "emergency_visits_6m": _counts(inputs["visits"], rows, words, whole=True),
        }
    )
    complete = points.notna().all(axis=1).to_numpy()
    index = np.full(len(points), np.nan)
    if complete.any():
        some = points[complete].astype({"acute": bool}).assign(row=np.flatnonzero(complete))
        wide = ibis.memtable(some)
        answer = wide.select(wide.row, lace=lace(wide, definitions().lace)).execute()
        index[answer["row"].to_numpy()] = answer["lace"].to_numpy(dtype=np.float64)
    return index


def _numbers(series: Series, rows: Rows, words: Words) -> Floats | None:
    described = describe(series, rows, words)
    return described.values if isinstance(described, Described) and described.column.kind == "numeric" else None


def _counts(series: Series, rows: Rows, words: Words, *, whole: bool) -> Floats:
    """Return numbers that are not negative, and whole where they are counted."""
    values = _numbers(series, rows, words)
    if values is None:
        raise UserError(f"The column {series.name} given with --lace does not hold numbers; give another column.")
    finite = values[np.isfinite(values)]
    wrong = int(((finite < 0) | (whole & (finite != np.floor(finite)))).sum())
    if wrong:
        what = "whole numbers from 0" if whole else "numbers of days from 0"
        raise UserError(f"The column {series.name} given with --lace holds {wrong:,} values that are not {what}.")
    return values


def _emergencies(series: Series, words: Words) -> Floats:
    """Return 1 for an emergency admission, 0 for another, NaN for missing."""
    admissions = [None if value is None or words.means_missing(value) else value.lower() for value in texts(series)]
    acute, planned = conventions().emergency.acute | YES, conventions().emergency.planned | NO
    wrong = sum(value is not None and value not in acute | planned for value in admissions)
    if wrong:
        raise UserError(
            f"The column {series.name} given with --lace emergency= holds {wrong:,} values that are neither yes, no, "
            "emergency nor elective; give a column of these."
        )
    return np.array([np.nan if value is None else float(value in acute) for value in admissions])
