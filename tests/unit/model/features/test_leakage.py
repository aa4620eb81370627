"""Nothing of the future, of other patients or of the order of records enters a row; online is as the batch."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.definitions.features import GROUPS, KEYS, LABEL, definitions, group_column
from model.errors import UserError
from model.features import asof
from model.features.build import as_known, build, build_as_of, going_on
from model.features.engines import engine
from model.features.feature_file import load
from model.features.feature_rows import schema
from tests.support.model.feature_world import MOMENTS, arrow, features, history, hospital, hospital_tables, stay

pytestmark = pytest.mark.process

MANY = settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
TEXTS: dict[str, dict[str, list[Any]]] = {
    "encounter": {
        "class": ["IMP", "EMER", "AMB"],
        "disposition": ["exp", "hosp", "home", None],
        "priority": ["EL", "EM"],
    },
    "condition": {"code": ["I50.9", "C34.90", "E11.9"], "verification_status": ["refuted", "confirmed", None]},
    "observation": {"code": ["2160-0", "8480-6"], "value": [0.3, 9.0, 200.0], "unit": ["mg/dL", "umol/L", "mm[Hg]"]},
    "medication_request": {"code": ["860975", "999999"], "status": ["stopped", "entered-in-error"]},
}


def known_from(row: dict[str, Any], name: str) -> datetime | None:
    """Return when a record can first have been known."""
    times = [row[column] for column in MOMENTS[name] if row[column] is not None]
    return min(times) if name == "encounter" and times else max(times, default=None)


def another_future(table: pa.Table, name: str, cuts: dict[str, datetime], chance: np.random.Generator) -> pa.Table:
    """Move, change, remove and add what became known after each patient's cut."""
    kept = []
    for row in table.to_pylist():
        cut, when = cuts.get(row["patient_id"]), known_from(row, name)
        if cut is None or when is None or when <= cut:
            kept.append(row)
            continue
        for copy in range(int(chance.integers(0, 3))):
            later = timedelta(days=float(chance.uniform(0, 500)))
            moved = {c: row[c] + later for c in MOMENTS[name] if row[c] is not None and row[c] > cut}
            if name == "encounter" and "ended_at" in moved:
                moved["ended_at"] += timedelta(days=float(chance.uniform(0, 9)))
            changed = {c: values[int(chance.integers(len(values)))] for c, values in TEXTS[name].items()}
            kept.append(row | changed | moved | {f"{name}_id": f"{row[f'{name}_id']}-{copy}"})
    return pa.Table.from_pylist(kept, schema=table.schema)


def some_patients(chance: np.random.Generator, share: float = 0.6) -> dict[str, pa.Table]:
    whole = hospital_tables()
    people = whole["patient"]["patient_id"].to_pylist()
    some = pa.array([one for one in people if chance.random() < share], pa.string())
    return {name: table.filter(pc.is_in(table["patient_id"], some)) for name, table in whole.items()}


@MANY
@given(seed=st.integers(0, 2**32 - 1))
def test_the_future_does_not_enter_a_row(seed: int) -> None:
    chance = np.random.default_rng(seed)
    tables = some_patients(chance)
    picked = {row["patient_id"]: row for row in chance.permutation(np.array(features(tables), dtype=object))}
    cuts = {patient: row["discharged_at"] for patient, row in picked.items()}
    changed = {name: another_future(t, name, cuts, chance) if name in MOMENTS else t for name, t in tables.items()}
    after = {(row["patient_id"], row["discharged_at"]): row for row in features(changed)}
    assert len(picked) > 5
    for patient, row in picked.items():
        assert row | {LABEL: None} == after[patient, row["discharged_at"]] | {LABEL: None}


def test_the_change_of_the_future_changes_labels_and_later_rows() -> None:
    """The property would hold of anything if the change changed nothing."""
    chance = np.random.default_rng(5)
    tables = dict(hospital_tables())
    before = features(tables)
    cuts = {row["patient_id"]: row["discharged_at"] for row in reversed(before)}
    changed = {name: another_future(t, name, cuts, chance) if name in MOMENTS else t for name, t in tables.items()}
    after = features(changed)
    first = {row["patient_id"]: row[LABEL] for row in reversed(after)}
    assert {row["patient_id"]: row[LABEL] for row in reversed(before)} != first
    assert len(after) != len(before)


@MANY
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_records_and_other_patients_do_not_enter_a_row(seed: int) -> None:
    chance = np.random.default_rng(seed)
    fewer = some_patients(chance, 0.3)
    shuffled = {name: table.take(chance.permutation(table.num_rows)) for name, table in fewer.items()}
    alone = features(shuffled)
    together = {(row["patient_id"], row["index_id"]): row for row in features(dict(hospital_tables()))}
    assert alone
    assert alone == [together[row["patient_id"], row["index_id"]] for row in alone]


def test_the_features_at_the_discharge_are_the_batchs_row(tmp_path: Any) -> None:
    build(str(hospital()), out=str(tmp_path / "batch.parquet"))
    rows = load(str(tmp_path / "batch.parquet"))[0].to_pylist()
    for row in rows[:: max(1, len(rows) // 4)]:
        out = str(tmp_path / "now.parquet")
        when = row["discharged_at"].isoformat()
        online = build_as_of(str(hospital()), out=out, at=when, patient=row["patient_id"])
        table, made_from = load(out)
        beside = set(map(group_column, GROUPS))
        assert not beside & set(table.column_names)
        kept = {name: value for name, value in row.items() if name not in beside}
        assert table.select(list(kept)).to_pylist() == [kept | {LABEL: None}]
        assert made_from["as_of"] == when
        assert online.features == {name: row[name] for name in definitions().names}
        assert all(age is None or age >= 0 for age in online.freshness.values())
        assert online.freshness["labs"] is not None


def reopened(rows: list[dict[str, Any]], folder: Path) -> Path:
    """Return the hospital's tables with stays that go on: those of these rows have no end yet."""
    shutil.copytree(hospital().parent / "tables", folder)
    open_ones = {row["index_id"] for row in rows}
    encounters = [
        row | {"ended_at": None, "disposition": None, "status": "in-progress"}
        if row["encounter_id"] in open_ones
        else row
        for row in hospital_tables()["encounter"].to_pylist()
    ]
    table = pa.Table.from_pylist(encounters, schema=hospital_tables()["encounter"].schema)
    pq.write_table(table, folder / "encounter" / "north.parquet")
    return folder


def test_the_stays_that_go_on_are_those_of_their_newest_record(tmp_path: Path) -> None:
    """One run for all patients gives the rows that each patient's own moment gives."""
    last = {row["patient_id"]: row for row in features(dict(hospital_tables()))}
    some = list(last)[:5]
    folder = reopened([last[patient] for patient in some], tmp_path / "tables")
    with engine("duckdb") as runs:
        found = going_on(runs, runs.tables(folder)).to_pylist()
    expected = []
    for patient in some:
        with engine("duckdb") as runs:
            tables = runs.tables(folder)
            own = {name: table.filter(table.patient_id == patient) for name, table in tables.items()}
            moments = [runs.fetch(asof.newest(own, name).as_table())["newest"][0].as_py() for name in asof.KNOWN]
            at = max(moment for moment in moments if moment is not None)
            expected += as_known(runs, tables, at, patient).to_pylist()
    assert len(expected) >= 3
    # Another patient of the population may be in hospital.
    assert [row for row in found if row["patient_id"] in some] == sorted(expected, key=lambda row: row["patient_id"])


def test_without_stays_that_go_on_there_is_no_row(tmp_path: Path) -> None:
    stays = str(tmp_path / "stays.parquet")
    build(str(hospital()), out=str(tmp_path / "batch.parquet"), stays=stays)
    folder = reopened([], tmp_path / "tables")
    open_ones = [row for row in pq.read_table(folder / "encounter").to_pylist() if row["ended_at"] is None]
    assert load(stays)[0].num_rows <= len(open_ones)


def test_a_stay_in_the_middle_shows_what_was_known(tmp_path: Any) -> None:
    build(str(hospital()), out=str(tmp_path / "batch.parquet"))
    rows = load(str(tmp_path / "batch.parquet"))[0].to_pylist()
    row = max(rows, key=lambda row: row["stay_days"])
    middle = row["admitted_at"] + (row["discharged_at"] - row["admitted_at"]) / 4
    online = build_as_of(str(hospital()), out=str(tmp_path / "f"), at=middle.isoformat(), patient=row["patient_id"])
    assert online.patients == 1
    assert online.features["stay_days"] == pytest.approx(row["stay_days"] / 4, abs=1e-4)
    assert online.features["home_health"] == online.features["to_facility"] == 0
    assert online.features["admissions_12m"] == row["admissions_12m"]
    everyone = build_as_of(str(hospital()), out=str(tmp_path / "f"), at=middle.isoformat())
    assert everyone.patients >= 1
    assert everyone.features == {}


def test_a_moment_without_a_stay_is_one_sentence(tmp_path: Any) -> None:
    out = str(tmp_path / "f.parquet")
    with pytest.raises(UserError, match=r"Patient nobody has no stay at 2021-06-01T00:00:00\+00:00"):
        build_as_of(str(hospital()), out=out, at="2021-06-01", patient="nobody")
    with pytest.raises(UserError, match="No patient has a stay"):
        build_as_of(str(hospital()), out=out, at="1950-06-01T00:00:00Z")
    with pytest.raises(UserError, match="must be a time"):
        build_as_of(str(hospital()), out=out, at="yesterday")


def test_no_stay_gives_an_empty_table_of_the_same_columns() -> None:
    assert features(arrow({name: [] for name in hospital_tables()})) == []
    assert history([stay(0, 2, "AMB")]) == []
    assert history([stay(0, 2)], patient=[])[0]["age"] is None
    assert list(history([stay(0, 2)])[0]) == schema(definitions()).names
    assert schema(definitions()).names[: len(KEYS)] == list(KEYS)
