"""Latest row of a patient in a hospital's own table, as input of a model trained on such a table."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from model.dataset import tables
from model.dataset.columns import composed, plain
from model.dataset.tables import dates, numbers
from model.dataset.tables.describe import is_numeric, typed_numbers
from model.dataset.tables.texts import Series, texts
from model.errors import UserError
from model.scoring import Contract
from model.scoring.contract import Floats, Table
from model.scoring.feature import Feature
from model.scoring.latest_discharge import ANY, is_bundle


@dataclass(frozen=True)
class Row:
    """One row as a model's input: numbers, and categories as text.

    Attributes
    ----------
    cautions
        What was not understood and so is missing.
    """

    patient: str
    columns: dict[str, list[float | str | None]]
    cautions: tuple[str, ...] = ()


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
        When it is no table, a column is absent, there is no such row, or its time is not written as in training.
    """
    if is_bundle(place):
        raise UserError("The release takes rows of a hospital's own table, not FHIR; give a Parquet or CSV table.")
    rows = tables.read_table(place).frame
    have = {str(name) for name in rows.columns}
    absent = [name for name in contract.names if composed(name) not in have]
    if absent:
        raise UserError(f"{place} lacks {', '.join(absent)}, which the release takes; add the columns.")
    times = _times(rows, table)
    if patient != ANY:
        tables.need(rows, [table.patient])
        wanted = tables.identities(rows[table.patient]) == plain(patient)
        rows, times = rows[wanted], None if times is None else times[wanted]
    if rows.empty:
        raise UserError(
            f"There is no row of that patient in {place}; give one from its column {table.patient}, or any."
        )
    row = rows.iloc[[_last(rows, times)]]
    whose = tables.identities(row[table.patient])[0] if table.patient in have else None
    values = {feature.name: _value(row[composed(feature.name)], feature) for feature in contract.features}
    lost = [name for name, value in values.items() if isinstance(value, float) and np.isnan(value)]
    cautions = tuple(f"{name} is not written as in training, so it is taken as missing" for name in lost)
    return Row(whose or ANY, {name: [None if name in lost else value] for name, value in values.items()}, cautions)


def _times(rows: pd.DataFrame, table: Table) -> Floats | None:
    """Return when each row was, as training reads it, infinite where that is not understood; nothing without a time."""
    if table.time is None or table.time not in rows.columns:
        return None
    series = rows[table.time]
    if pd.api.types.is_datetime64_any_dtype(series):
        return dates.typed(series)
    order = next((one for one in dates.ORDERS if one == table.time_written), None)
    # A release that does not say how times are written: the table itself must show it.
    return dates.times(series, None).values if order is None else dates.as_written(series, order)


def _last(rows: pd.DataFrame, times: Floats | None) -> int:
    """Return the place of the latest row; the last where there is no time."""
    if times is None or np.isnan(times).all():
        return len(rows) - 1
    if np.isinf(times).any():
        raise UserError(
            f"{int(np.isinf(times).sum())} of the patient's {len(rows)} times are not written as in training, so the "
            "latest row is not known; write them in that way."
        )
    return int(np.flatnonzero(times == np.nanmax(times))[-1])


def _value(cell: Series, feature: Feature) -> float | str | None:
    """Return a value as training reads it, None for missing, NaN where a number is not understood."""
    text = texts(cell)[0]
    if text is None or text.lower() in feature.missing:
        return None
    if feature.categories:
        return str(text)
    value = float(typed_numbers(cell)[0]) if is_numeric(cell) else numbers.read(text, feature.written)
    return None if value in feature.written.sentinels else value
