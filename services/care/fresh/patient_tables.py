"""Curated tables of one patient: the rows of the record, and those of the history that the record does not replace."""

from collections.abc import Sequence

import duckdb

from model.curated.record import COLUMNS
from model.curated.statements import parsed, run
from services.care.fresh.history import Edition


def join_history(
    rows: duckdb.DuckDBPyConnection,
    *,
    hospital: str,
    patient: str,
    fresh: bool,
    history: Edition | None,
    replaced: Sequence[str],
) -> bool:
    """Make the tables ``patient_<table>``, and return whether there is anything of the patient.

    Parameters
    ----------
    rows : DuckDBPyConnection
        A connection of its own, with the tables of the record where there is one.
    hospital : str
        Short name of the hospital.
    patient : str
        Pseudonym of the patient.
    fresh : bool
        Whether there is a record.
    history : Edition, optional
        The published curated tables.
    replaced : sequence of str
        Pseudonyms of all resources of the record, used or not: their rows of the history give way.
    """
    if not fresh and history is None:
        return False
    # The history has many rows: its filters belong into the reading of the files.
    run(rows, "PRAGMA enable_optimizer")
    for table, columns in COLUMNS.items():
        values: dict[str, object] = {"hospital": hospital, "patient": patient}
        parts = []
        if fresh:
            parts.append(_rows(f"used_{table}", [*columns]))
        if history is not None:
            key = next(iter(columns))
            parts.append(
                f"{_rows('read_parquet($file)', [*columns])} AND NOT list_contains($replaced::VARCHAR[], {key})"
            )
            values |= {"file": str(history.file(table)), "replaced": [*replaced]}
        run(rows, f"CREATE TEMP TABLE patient_{table} AS {' UNION ALL '.join(f'({part})' for part in parts)}", values)
    run(rows, "PRAGMA disable_optimizer")
    return bool(rows.execute(parsed("SELECT count(*) FROM patient_patient")[0]).fetchall()[0][0])


def _rows(source: str, columns: Sequence[str]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    return f"FROM {source} SELECT {names}, $hospital::VARCHAR AS hospital WHERE patient_id = $patient"
