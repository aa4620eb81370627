"""Readmissions for the worklist's report: whether a patient came back after a discharge whose window is over.

The label is the one that the model is trained on (:func:`model.features.expression.labelled_stays`): a transfer is no
return, and a discharge whose follow-up is not complete has none yet. It is computed from the published curated tables,
under pseudonyms and on shifted dates, so that no identity is decrypted for it.
"""

from collections.abc import Sequence

import ibis

from model.definitions.features import LABEL, definitions
from model.features.engines import DuckDb, engine
from model.features.expression import labelled_stays
from services.care.context import Care
from services.care.fresh.history import Edition
from services.care.worklist import placements

Discharge = tuple[str, str]
"""Pseudonyms of encounter and patient."""


def record(care: Care) -> int:
    """Record the readmissions that the newest ingestion knows of; return for how many discharges.

    Raises
    ------
    SQLAlchemyError
        When the database does not answer.
    """
    edition = care.history.edition()
    if edition is None:
        return 0
    with care.engine.begin() as connection:
        waiting = placements.awaiting_readmission(connection)
    outcomes = labels(edition, waiting)
    with care.engine.begin() as connection:
        return sum(placements.record_readmission(connection, *one) for one in sorted(outcomes.items()))


def labels(edition: Edition, discharges: Sequence[Discharge]) -> dict[str, bool]:
    """Return whether the patients came back, by encounter; of a stay that is no index discharge nothing.

    Parameters
    ----------
    edition : Edition
        The curated tables.
    discharges : sequence of (str, str)
        Encounters and their patients; an encounter may be any part of a stay.
    """
    if not discharges:
        return {}
    encounters = sorted({encounter for encounter, _ in discharges})
    patients = sorted({patient for _, patient in discharges})
    with engine("duckdb") as runs:
        if not isinstance(runs, DuckDb):  # for the type: the engine's name says which it is
            raise TypeError("not DuckDB")
        read = {name: runs.database.read_parquet(str(edition.file(name))) for name in ("patient", "encounter")}
        tables = {name: table.filter(table.patient_id.isin(patients)) for name, table in read.items()}
        stays = runs.keep("all_stays", labelled_stays(tables, definitions()))
        rows = runs.fetch(_of_encounters(tables["encounter"], stays, encounters)).to_pylist()
    return {row["encounter_id"]: row[LABEL] for row in rows}


def _of_encounters(table: ibis.Table, stays: ibis.Table, encounters: Sequence[str]) -> ibis.Table:
    asked = table.filter(table.encounter_id.isin(encounters)).select("encounter_id", "patient_id", "started_at")
    labelled = stays.filter(stays.exclusion_reason.isnull() & stays[LABEL].notnull())
    labelled = labelled.select("admitted_at", "discharged_at", LABEL, of_patient=labelled.patient_id)
    same_stay = [
        asked.patient_id == labelled.of_patient,
        asked.started_at >= labelled.admitted_at,
        asked.started_at <= labelled.discharged_at,
    ]
    return asked.inner_join(labelled, same_stay).select("encounter_id", LABEL)
