"""Baseline for features: a pandas loop with a data frame per patient's bundle and filters per discharge."""

import time
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from model.definitions.features import definitions

MOMENTS = {
    "encounter": "started_at",
    "observation": "taken_at",
    "medication_request": "authored_at",
    "condition": "recorded_at",
}


def loop(tables: dict[str, pa.Table], patients: int) -> tuple[int, float]:
    """Compute the features of a sample of patients' discharges, patient by patient.

    The bundles' resources are sorted by patient before the clock starts, so parsing them is not counted.

    Returns
    -------
    tuple
        How many encounters those patients have, and the seconds it took.
    """
    everyone = tables["patient"]
    sample = everyone.take(list(range(0, everyone.num_rows, max(1, everyone.num_rows // patients))))
    some = sample["patient_id"]
    bundles: dict[str, dict[str, list[dict[str, Any]]]] = {one: {} for one in some.to_pylist()}
    for name in MOMENTS:
        for row in tables[name].filter(pc.is_in(tables[name]["patient_id"], some.combine_chunks())).to_pylist():
            bundles[row["patient_id"]].setdefault(name, []).append(row)
    people = {row["patient_id"]: row for row in sample.to_pylist()}
    started = time.perf_counter()
    rows = [row for one, bundle in bundles.items() for row in _of_bundle(people[one], bundle)]
    pd.DataFrame(rows)
    took = time.perf_counter() - started
    return sum(len(bundle.get("encounter", [])) for bundle in bundles.values()), took


def _of_bundle(person: dict[str, Any], bundle: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    frames = {name: pd.DataFrame(bundle.get(name, [])) for name in MOMENTS}
    encounters = frames["encounter"]
    if encounters.empty:
        return []
    encounters = encounters.sort_values("started_at")
    stays = encounters[encounters["class"] == "IMP"]
    return [_of_stay(person, stay, stays, encounters, frames) for _, stay in stays.iterrows()]


def _of_stay(
    person: dict[str, Any], stay: Any, stays: pd.DataFrame, encounters: pd.DataFrame, frames: dict[str, pd.DataFrame]
) -> dict[str, Any]:
    start, end = stay["started_at"], stay["ended_at"]
    row: dict[str, Any] = {"age": stay["age_at_start"], "female": person["sex"] == "female"}
    row["stay_days"] = (end - start).total_seconds() / 86400
    visits = encounters[encounters["class"] == "EMER"]
    for days in (182, 365):
        since = start - pd.Timedelta(days=days)
        row[f"admissions_{days}"] = len(stays[(stays["ended_at"] < start) & (stays["ended_at"] >= since)])
        row[f"visits_{days}"] = len(visits[(visits["started_at"] < start) & (visits["started_at"] >= since)])
    window = pd.Timedelta(days=definitions().stay.return_days)
    later = stays[(stays["started_at"] > end) & (stays["started_at"] <= end + window)]
    return (
        row
        | _illness(frames["condition"], end)
        | _measured(frames["observation"], start, end)
        | {
            "drugs": _drugs(frames["medication_request"], end),
            "readmitted": len(later) > 0,
        }
    )


def _illness(conditions: pd.DataFrame, end: Any) -> dict[str, bool]:
    groups = definitions().comorbidities
    if conditions.empty:
        return dict.fromkeys(groups, False)
    codes = conditions[conditions["recorded_at"] <= end]["code"].str.replace(".", "", regex=False)
    return {name: bool(codes.str.startswith(group.icd10).any()) for name, group in groups.items()}


def _measured(observations: pd.DataFrame, start: Any, end: Any) -> dict[str, float]:
    row: dict[str, float] = {}
    if observations.empty:
        return row
    records = observations[(observations["taken_at"] <= end) & (observations["known_at"] <= end)].sort_values(
        "taken_at"
    )
    for name, lab in definitions().labs.items():
        conversions = lab.conversions()
        for one in lab.sets:
            coded = records[records["code"].isin(one.codes)]
            factors = {unit: how.factor for unit, how in conversions[one.codes[0]].items()}
            values = coded["value"] * coded["unit"].map(factors).astype(float)
            inside = values[coded["taken_at"] >= start]
            day = values[coded["taken_at"] >= end - pd.Timedelta(days=1)]
            if len(values):
                row |= {f"{name}_last": values.iloc[-1], f"{name}_max": inside.max(), f"{name}_min": inside.min()}
                row |= {f"{name}_day_max": day.max(), f"{name}_day_min": day.min()}
    return row


def _drugs(orders: pd.DataFrame, end: Any) -> int:
    if orders.empty:
        return 0
    recent = orders[(orders["authored_at"] <= end) & (orders["authored_at"] >= end - pd.Timedelta(days=180))]
    return int(recent["code"].nunique())
