"""Stays, labels and features, on small histories written out and on a synthetic hospital."""

import functools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.deid.check_digits import mod10, verhoeff
from model.errors import UserError
from model.features.build import build, load, shaped
from model.features.definitions import BASELINE, LABEL, definitions
from model.features.engines import prepared
from model.features.expression import expression, judged_stays
from model.ingestion import curated
from tests.unit.model_world import world

START = datetime(2022, 1, 1, tzinfo=UTC)
KINDS = {"encounter": "encounter_id", "condition": "condition_id", "observation": "observation_id"}
MOMENTS = {
    "encounter": ("started_at", "ended_at"),
    "condition": ("onset_at", "recorded_at"),
    "observation": ("taken_at", "known_at"),
    "medication_request": ("authored_at",),
}


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def stay(
    first: float, last: float | None, kind: str = "IMP", disposition: str | None = "home", **more: Any
) -> dict[str, Any]:
    ended = None if last is None else day(last)
    return {"class": kind, "started_at": day(first), "ended_at": ended, "disposition": disposition, **more}


def history(encounters: list[dict[str, Any]], **tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the feature rows of one patient's history, in the order of discharge."""
    lists: dict[str, list[dict[str, Any]]] = {
        "patient": [{"patient_id": "p", "sex": "female", "birth_year": 1950, "over_89": False}],
        "encounter": [
            {"encounter_id": f"e{i}", "status": "finished", "followed": True} | e for i, e in enumerate(encounters)
        ],
        "condition": [],
        "observation": [],
        "medication_request": [],
    } | tables
    made = {}
    for name, rows in lists.items():
        full = [
            {f"{name}_id": f"{name}{i}", "patient_id": "p", "hospital": "north"} | row for i, row in enumerate(rows)
        ]
        made[name] = pa.Table.from_pylist(full, schema=curated.schema(name))
    return features(made)


@functools.cache
def planned_once() -> tuple[Any, str, str, ibis.Table]:
    """Return a database and the two queries of the features, which any tables of its names then answer."""
    database = ibis.duckdb.connect(threads=1)
    for name in curated.TABLES:
        database.con.register(name, curated.schema(name).empty_table())
    tables = {name: prepared(name, database.table(name)) for name in curated.TABLES}
    stays_query = database.compile(judged_stays(tables, definitions()))
    database.con.execute(f"CREATE OR REPLACE TEMP TABLE all_stays AS {stays_query}")
    found = expression(tables, definitions(), database.table("all_stays"))
    database.to_pyarrow(found)
    return database.con, stays_query, database.compile(found), found


def features(tables: dict[str, pa.Table]) -> list[dict[str, Any]]:
    connection, stays_query, query, _ = planned_once()
    for name, table in tables.items():
        connection.register(name, table)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE all_stays AS {stays_query}")
    found = shaped(connection.sql(query).to_arrow_table(), definitions())
    rows: list[dict[str, Any]] = found.to_pylist()
    return sorted(rows, key=lambda row: (row["patient_id"], row["discharged_at"]))


def test_a_return_within_thirty_days_is_labelled() -> None:
    found = history([stay(0, 3), stay(33, 40), stay(71, 75)])
    assert [row[LABEL] for row in found] == [True, False, False]
    assert [row["admissions_6m"] for row in found] == [0, 1, 2]
    assert [row["stay_days"] for row in found] == [3, 7, 4]


@pytest.mark.parametrize(
    ("encounters", "ends"),
    [
        ([stay(0, 3), stay(2, 5)], [5]),
        ([stay(0, 9), stay(2, 5)], [9]),
        ([stay(0, 3), stay(3, 5)], [5]),
        ([stay(0, 3, disposition="other-hcf"), stay(3.8, 6)], [6]),
        ([stay(0, 3, disposition="other-hcf"), stay(4.2, 6)], [3, 6]),
        ([stay(0, 3), stay(3.2, 6)], [3, 6]),
        ([stay(0, 9), stay(1, 2), stay(8, 12), stay(12, 13)], [13]),
        ([stay(0, 3, status="cancelled"), stay(5, 6)], [6]),
        ([stay(3, 1), stay(5, 6)], [6]),
    ],
)
def test_transfers_and_overlaps_are_one_stay(encounters: list[dict[str, Any]], ends: list[float]) -> None:
    assert [row["discharged_at"] for row in history(encounters)] == [day(end) for end in ends]


@pytest.mark.parametrize("disposition", ["exp", "hosp"])
def test_the_dead_and_the_dying_are_not_at_risk(disposition: str) -> None:
    found = history([stay(0, 3), stay(10, 12, disposition=disposition)])
    assert [row["discharged_at"] for row in found] == [day(3)]
    assert found[0][LABEL] is True


def test_death_in_hospital_is_told_by_its_time_too() -> None:
    patient = {"patient_id": "p", "sex": "male", "deceased": True, "deceased_at": day(12)}
    found = history([stay(0, 3), stay(10, 12)], patient=[patient])
    assert [row["discharged_at"] for row in found] == [day(3)]
    assert found[0]["age"] is None


def test_a_stay_that_goes_on_is_a_return_but_no_discharge() -> None:
    found = history([stay(0, 3), stay(10, None)])
    assert [row["discharged_at"] for row in found] == [day(3)]
    assert found[0][LABEL] is True


def test_what_was_not_followed_is_not_labelled() -> None:
    assert history([stay(0, 3) | {"followed": False}])[0][LABEL] is None


def test_emergency_visits_count_unless_they_led_to_the_stay() -> None:
    visits = [stay(n, n + 0.2, "EMER", None) for n in (5, 30, 99.5)]
    found = history([*visits, stay(100, 103)])[0]
    assert found["emergency_visits_6m"] == 2
    assert found["emergency_admission"] == 1
    assert history([stay(0, 1)])[0]["emergency_admission"] == 0
    assert history([stay(0, 1) | {"admit_source": "emd"}])[0]["emergency_admission"] == 1


def test_comorbidities_come_from_both_code_systems_and_the_severe_form_counts_once() -> None:
    conditions = [
        {"system": "icd10cm", "code": "E11.9", "recorded_at": day(-9)},
        {"system": "snomed", "code": "127013003", "onset_at": day(-9)},
        {"system": "icd10cm", "code": "I50.22", "recorded_at": day(1)},
        {"system": "icd10cm", "code": "F03.90", "recorded_at": day(4)},
        {"system": "snomed", "code": "13645005", "recorded_at": day(-1), "verification_status": "refuted"},
        {"system": "rxnorm", "code": "I21", "recorded_at": day(-1)},
    ]
    found = history([stay(0, 3)], condition=conditions)[0]
    assert (found["diabetes"], found["heart_failure"], found["dementia"], found["lung_disease"]) == (1, 1, 0, 0)
    assert found["infarction"] == 0
    assert found["charlson"] == 3


def test_measurements_are_converted_and_the_last_before_discharge_is_taken() -> None:
    def seen(code: str, value: float, unit: str, at: float, known: float | None = None) -> dict[str, Any]:
        moments = {"taken_at": day(at), "known_at": day(at if known is None else known)}
        return {"code": code, "value": value, "unit": unit, "status": "final", **moments}

    found = history(
        [stay(0, 3)],
        observation=[
            seen("2160-0", 2.0, "mg/dL", 1),
            seen("14682-9", 88.42, "umol/L", 2),
            seen("38483-4", 9.0, "mg/dL", 2.9, known=3.5),
            seen("2160-0", 5.0, "mg/dL", 3.1),
            seen("718-7", 900.0, "g/dL", 2),
            seen("2951-2", 140, "furlong", 2),
            seen("8480-6", 120, "mm[Hg]", 1.5),
            seen("8462-4", 80, "mm[Hg]", 2.5),
        ],
    )[0]
    assert found["creatinine_last"] == pytest.approx(1.0, abs=1e-3)
    assert found["creatinine_max"] == 2.0
    assert found["hemoglobin_last"] is None
    assert (found["creatinine_missing"], found["hemoglobin_missing"], found["sodium_missing"]) == (0, 1, 1)
    assert (found["systolic_last"], found["diastolic_last"]) == (None, 80)


def test_distinct_drugs_are_counted() -> None:
    orders = [
        {"code": "860975", "authored_at": day(1), "status": "stopped"},
        {"code": "860975", "authored_at": day(2), "status": "active"},
        {"code": "314076", "authored_at": day(-100), "status": "active"},
        {"code": "310429", "authored_at": day(-400), "status": "active"},
        {"code": "617311", "authored_at": day(4), "status": "active"},
        {"code": "308136", "authored_at": day(1), "status": "entered-in-error"},
    ]
    assert history([stay(0, 3)], medication_request=orders)[0]["drugs"] == 2


def test_lace_is_the_published_index() -> None:
    visits = [stay(n, n + 0.1, "EMER", None) for n in (-20, -30)]
    conditions = [{"system": "icd10cm", "code": "I50.9", "recorded_at": day(-9)}]
    found = history([*visits, stay(0, 4.5) | {"admit_source": "emd"}], condition=conditions)[0]
    assert found[BASELINE] == 4 + 3 + 2 + 2


def test_the_very_old_are_ninety() -> None:
    patient = {"patient_id": "p", "sex": "male", "over_89": True}
    assert history([stay(0, 3)], patient=[patient])[0]["age"] == 90


def moved(table: pa.Table, name: str, cuts: dict[str, datetime], chance: np.random.Generator) -> pa.Table:
    """Move or drop what happened after each patient's cut."""
    kept = []
    for row in table.to_pylist():
        times = [row[column] for column in MOMENTS[name] if row[column] is not None]
        cut = cuts.get(row["patient_id"])
        if cut is None or not times or min(times) <= cut:
            if cut is not None and name != "encounter" and any(t > cut for t in times) and min(times) <= cut:
                row |= {c: row[c] + timedelta(days=3) for c in MOMENTS[name] if row[c] is not None and row[c] > cut}
            kept.append(row)
        elif chance.random() < 0.7:
            later = timedelta(days=float(chance.uniform(0, 500)))
            kept.append(row | {c: row[c] + later for c in MOMENTS[name] if row[c] is not None})
    return pa.Table.from_pylist(kept, schema=table.schema)


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
def test_the_future_does_not_enter_a_row(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    chance = np.random.default_rng(seed)
    place = tmp_path_factory.mktemp("tables")
    curated.download(str(world().curated), place)
    whole = {name: pa.parquet.read_table(place / name) for name in curated.TABLES}
    some = chance.choice(whole["patient"]["patient_id"].to_pylist(), 80, replace=False).tolist()
    tables = {name: table.filter(pc.is_in(table["patient_id"], pa.array(some))) for name, table in whole.items()}
    before = features(tables)
    picked = {row["patient_id"]: row for row in chance.permutation(np.array(before, dtype=object))}
    cuts = {patient: row["discharged_at"] for patient, row in picked.items()}
    changed = {name: moved(table, name, cuts, chance) if name in MOMENTS else table for name, table in tables.items()}
    after = {(row["patient_id"], row["index_id"]): row for row in features(changed)}
    assert len(picked) > 30
    for patient, row in picked.items():
        again = after[patient, row["index_id"]]
        assert row | {LABEL: None} == again | {LABEL: None}


def test_rows_do_not_depend_on_the_order_of_records() -> None:
    encounters = [stay(0, 3), stay(33, 40), stay(20, 20.1, "EMER", None)]
    drop = {"index_id"}
    forward, backward = history(encounters), history(encounters[::-1])
    assert [{k: v for k, v in r.items() if k not in drop} for r in forward] == [
        {k: v for k, v in r.items() if k not in drop} for r in backward
    ]


def test_the_file_says_what_it_was_made_from(tmp_path: Path) -> None:
    again = tmp_path / "features.parquet"
    done = build(str(world().curated), out=str(again))
    assert again.read_bytes() == world().features.read_bytes()
    table, made_from = load(str(again))
    assert table.num_rows == done.discharges
    assert list(made_from["curated"]) == ["north"]
    assert 0 < done.readmitted < done.labelled <= done.discharges


def test_a_file_that_is_no_features_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="not a features file"):
        load(str(tmp_path / "x.parquet"))
    with pytest.raises(UserError, match="run ingest"):
        build(str(tmp_path), out=str(tmp_path / "f.parquet"))
    with pytest.raises(UserError, match="engine"):
        build(str(world().curated), out=str(tmp_path / "f.parquet"), engine_name="polars")


def test_the_code_table_holds_real_codes() -> None:
    table = definitions()
    assert all(verhoeff(code) for group in table.comorbidities.values() for code in group.snomed)
    assert all(mod10(code) for lab in table.labs.values() for one in lab.sets for code in one.codes)
    assert len(set(table.names)) == len(table.names)
    assert all(feature.of in table.names for feature in table.of_kind("missing"))
    assert all(feature.lab in table.labs for feature in table.of_kind("lab"))
    assert {g for f in table.features for g in f.groups} <= set(table.comorbidities)
