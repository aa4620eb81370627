"""A patient's latest row in a hospital's own table, as the input of a model that was trained on such a table."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from model.errors import UserError
from model.latest import ANY, is_bundle
from model.scoring import Contract
from model.scoring.contract import Feature, Table
from model.training import tables
from model.training.columns import plain


@dataclass(frozen=True)
class Row:
    """One row as a model's input: numbers, and categories as text."""

    patient: str
    columns: dict[str, list[float | str | None]]


def latest_row(place: str, contract: Contract, table: Table, patient: str) -> Row:
    """Return the latest row of a patient, or of all patients when any will do; the last where there is no time.

    Parameters
    ----------
    place : str
        The table, with the columns that the model takes; the outcome may be absent.
    contract : Contract
        How each column is read: numbers as in training, a category as text.
    table : Table
        Which columns say patient and time.
    patient : str
        Whose row, as the table has it, or any.

    Raises
    ------
    UserError
        When it is no table, a column is absent, or there is no such row.
    """
    if is_bundle(place):
        raise UserError("The release takes rows of a hospital's own table, no FHIR file; give a Parquet or CSV table.")
    rows = tables.read_table(place)
    have = {str(name) for name in rows.columns}
    absent = [name for name in contract.names if name not in have]
    if absent:
        raise UserError(f"{place} lacks {', '.join(absent)}, which the release takes; add the columns.")
    if patient != ANY:
        tables.need(rows, [table.patient])
        wanted = tables.identities(rows[table.patient]) == plain(patient)
        rows = rows[wanted]
    if rows.empty:
        raise UserError(
            f"There is no row of that patient in {place}; give one from its column {table.patient}, or any."
        )
    row = rows.iloc[[_last(rows, table.time)]]
    whose = tables.identities(row[table.patient])[0] if table.patient in have else None
    return Row(whose or ANY, {feature.name: [_value(row, feature)] for feature in contract.features})


def _last(rows: pd.DataFrame, time: str | None) -> int:
    if time is None or time not in rows.columns:
        return len(rows) - 1
    moments = tables.moments(rows[time])
    return int(np.flatnonzero(moments == np.nanmax(moments))[-1]) if np.isfinite(moments).any() else len(rows) - 1


def _value(row: pd.DataFrame, feature: Feature) -> float | str | None:
    cell: pd.Series[Any] = row[feature.name]
    if feature.categories:
        return plain(cell.tolist()[0])
    number = float(tables.numbers_as(cell, feature.written)[0])
    return None if np.isnan(number) else number
