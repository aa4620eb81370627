"""Exclusion counts, from curated tables to features, by reason."""

from collections import Counter
from typing import NamedTuple

import ibis
import pyarrow as pa

from model.definitions.features import LABEL, Definitions
from model.definitions.units import Refusal
from model.errors import GateError
from model.features import records
from model.features.engines import Engine
from model.features.expression import Tables
from model.features.stays import inpatient

USED = "used"


class Measured(NamedTuple):
    """Key of a measurement count: hospital, measurement, exclusion reason."""

    hospital: str
    lab: str
    reason: str


def measured_counts(engine: Engine, tables: Tables, table: Definitions) -> Counter[Measured]:
    """Return how many values of each measurement every hospital has, by what is wrong with them or ``used``."""
    m = records.measured(tables["observation"], table)
    keys = {"hospital": m.hospital, "code": m.code, "reason": m.fault.coalesce(USED)}
    result: Counter[Measured] = Counter()
    for row in engine.fetch(m.group_by(**keys).agg(number=m.count())).to_pylist():
        result[Measured(row["hospital"], table.lab_of[row["code"]], row["reason"])] += int(row["number"])
    return result


def check_units(measured: Counter[Measured], table: Definitions, refusal: Refusal) -> None:
    """Refuse when too many values of a measurement that a feature needs have a unit that is not understood.

    Raises
    ------
    GateError
        Naming the hospital, the measurement and the counts.
    """
    needed = {feature.lab for feature in table.of_kind("lab")}
    for hospital, lab in sorted({(one.hospital, one.lab) for one in measured if one.lab in needed}):
        unknown = measured[Measured(hospital, lab, records.UNKNOWN_UNIT)]
        values = unknown + sum(measured[Measured(hospital, lab, reason)] for reason in (USED, "implausible"))
        if values >= refusal.least and unknown > refusal.share * values:
            raise GateError(
                f"{unknown} of {values} values of {lab.replace('_', ' ')} of hospital {hospital} "
                f"({unknown / values:.1%}) have a unit that is not understood, more than {refusal.share:.1%}, and no "
                "features were written; add the spelling in model/definitions/units.yaml and run ingest and features "
                "again, or accept more with --max-unknown-units."
            )


def counts(
    engine: Engine,
    tables: Tables,
    table: Definitions,
    all_stays: ibis.Table,
    found: pa.Table,
    measured: Counter[Measured],
) -> dict[str, int]:
    """Return how many records of each kind were used, and left out for which reason.

    Returns
    -------
    dict
        ``encounters_…``, ``stays_…`` and ``measurements_…`` by reason (``_used`` is what counts), ``unknown_unit_…``
        by measurement, ``joined`` encounters that continue another's stay, and ``unlabelled`` discharges whose return
        days were not observed.
    """
    encounters = _by(engine, inpatient(tables["encounter"], table.stay), "fault")
    stay_counts = _by(engine, all_stays, "exclusion_reason")
    result = {f"encounters_{reason}": number for reason, number in encounters.items()}
    result |= {f"stays_{reason}": number for reason, number in stay_counts.items()}
    labs: Counter[str] = Counter()
    for one, number in measured.items():
        labs[f"measurements_{one.reason}"] += number
        if one.reason == records.UNKNOWN_UNIT:
            labs[f"{one.reason}_{one.lab}"] += number
    result |= labs
    joined = encounters.get("used", 0) - sum(stay_counts.values())
    return dict(sorted((result | {"joined": joined, "unlabelled": found[LABEL].null_count}).items()))


def _by(engine: Engine, table: ibis.Table, reason: str) -> dict[str, int]:
    reasons = engine.fetch(table.group_by(reason=table[reason].coalesce(USED)).agg(number=table.count()))
    return {row["reason"]: int(row["number"]) for row in reasons.to_pylist()}
