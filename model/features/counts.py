"""What was left out on the way from curated tables to features, and why."""

import ibis
import pyarrow as pa

from model.features import records
from model.features.definitions import LABEL, Definitions
from model.features.engines import Engine
from model.features.expression import Tables
from model.features.stays import inpatient


def counts(
    engine: Engine, tables: Tables, table: Definitions, all_stays: ibis.Table, found: pa.Table
) -> dict[str, int]:
    """Return how many records of each kind were used, and left out for which reason.

    Returns
    -------
    dict
        ``encounters_…``, ``stays_…`` and ``measurements_…`` by reason (``_used`` is what counts), ``joined`` encounters
        that continue another's stay, and ``unlabelled`` discharges whose return days were not observed.
    """
    encounters = _by(engine, inpatient(tables["encounter"], table.stay), "fault")
    judged = _by(engine, all_stays, "left_out")
    measurements = _by(engine, records.measured(tables["observation"], table), "fault")
    result = {f"encounters_{reason}": number for reason, number in encounters.items()}
    result |= {f"stays_{reason}": number for reason, number in judged.items()}
    result |= {f"measurements_{reason}": number for reason, number in measurements.items()}
    joined = encounters.get("used", 0) - sum(judged.values())
    return dict(sorted((result | {"joined": joined, "unlabelled": found[LABEL].null_count}).items()))


def _by(engine: Engine, table: ibis.Table, reason: str) -> dict[str, int]:
    found = engine.fetch(table.group_by(reason=table[reason].coalesce("used")).agg(number=table.count()))
    return {row["reason"]: int(row["number"]) for row in found.to_pylist()}
