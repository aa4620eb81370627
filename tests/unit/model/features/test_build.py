"""Stays, labels and features, on small histories written out."""

from pathlib import Path
from typing import Any

import pytest

from model.definitions.features import BASELINE, LABEL, definitions
from model.errors import UserError
from model.features.build import build
from model.features.feature_file import load
from tests.support.model.feature_world import day, history, hospital, stay

pytestmark = pytest.mark.process


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


def test_a_stay_that_goes_on_covers_what_follows() -> None:
    found = history([stay(0, 3), stay(10, None, status="in-progress"), stay(11, 12), stay(40, 42)])
    assert [row["discharged_at"] for row in found] == [day(3)]


def test_a_stay_that_is_over_without_an_end_is_a_return_but_no_discharge() -> None:
    found = history([stay(0, 3), stay(10, None, status="finished"), stay(60, 62)])
    assert [row["discharged_at"] for row in found] == [day(3), day(62)]
    assert [row[LABEL] for row in found] == [True, False]


@pytest.mark.parametrize(("count", "labels"), [(True, [True, True, False]), (False, [False, True, False])])
def test_a_planned_return_counts_by_choice(count: bool, labels: list[bool]) -> None:
    found = history(
        [stay(0, 3), stay(10, 12, priority="EL"), stay(20, 22)], table=definitions().counting_planned(count)
    )
    assert [row[LABEL] for row in found] == labels
    assert [row["elective_admission"] for row in found] == [0, 1, 0]


def test_what_a_planned_return_hides_is_not_asked() -> None:
    """As CMS counts: the first return was planned, so the second says nothing of the index discharge."""
    found = history([stay(0, 3), stay(5, 6, priority="EL"), stay(9, 12)], table=definitions().counting_planned(False))
    assert found[0][LABEL] is False


def test_the_end_of_the_longest_encounter_tells_of_a_transfer() -> None:
    found = history([stay(0, 9, disposition="other-hcf"), stay(1, 2), stay(9.5, 12)])
    assert [row["discharged_at"] for row in found] == [day(12)]
    assert found[0]["to_hospital"] == 0


def test_encounters_that_begin_together_are_one_stay() -> None:
    found = history([stay(0, 2, disposition="snf"), stay(0, 4, disposition="hhc"), stay(0, 4, "NONAC", "hhc")])
    assert [(row["discharged_at"], row["home_health"], row["nonacute_stay"]) for row in found] == [(day(4), 1, 1)]


def test_a_stay_shorter_than_the_rule_is_no_index_discharge() -> None:
    rules = definitions().stay.model_copy(update={"shortest_hours": 24})
    table = definitions().model_copy(update={"stay": rules})
    found = history([stay(0, 0.5), stay(10, 12)], table=table)
    assert [row["discharged_at"] for row in found] == [day(12)]
    assert found[0]["admissions_6m"] == 1


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
    ]
    assert history([stay(0, 3)], medication_request=orders)[0]["drugs"] == 2


def test_lace_is_the_published_index() -> None:
    visits = [stay(n, n + 0.1, "EMER", None) for n in (-20, -30)]
    conditions = [{"system": "icd10cm", "code": "I50.9", "recorded_at": day(-9)}]
    found = history([*visits, stay(0, 4.5) | {"admit_source": "emd"}], condition=conditions)[0]
    assert found[BASELINE] == 4 + 3 + 2 + 2


@pytest.mark.parametrize(("age_at_start", "age"), [(76, 76), (89, 89), (90, 90), (0, 0), (None, None)])
def test_the_very_old_are_ninety(age_at_start: int | None, age: int | None) -> None:
    assert history([stay(0, 3, age_at_start=age_at_start)])[0]["age"] == age


def test_the_age_is_that_of_the_stay() -> None:
    """The age at the start of the last encounter; nobody gets older than ninety."""
    moved = [stay(0, 3, age_at_start=71), stay(3, 9, age_at_start=72)]
    rows = history([*moved, stay(360, 800, age_at_start=73), stay(900, 905, age_at_start=90)])
    assert [row["age"] for row in rows] == [72, 74, 90]


def test_rows_do_not_depend_on_the_order_of_records() -> None:
    encounters = [stay(0, 3), stay(33, 40), stay(20, 20.1, "EMER", None)]
    drop = {"index_id"}
    forward, backward = history(encounters), history(encounters[::-1])
    assert [{k: v for k, v in r.items() if k not in drop} for r in forward] == [
        {k: v for k, v in r.items() if k not in drop} for r in backward
    ]


def test_the_file_says_what_it_was_made_from(tmp_path: Path) -> None:
    first, again = tmp_path / "first.parquet", tmp_path / "again.parquet"
    done = build(str(hospital()), out=str(first))
    build(str(hospital()), out=str(again))
    assert again.read_bytes() == first.read_bytes()
    table, made_from = load(str(first))
    assert table.num_rows == done.discharges == done.counts["stays_used"]
    assert isinstance(made_from["curated"], dict)
    assert list(made_from["curated"]) == ["north"]
    assert made_from["planned_returns_count"] is True
    assert 0 < done.readmitted < done.labelled <= done.discharges
    assert done.labelled + done.counts["unlabelled"] == done.discharges


def test_a_file_that_is_no_features_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="not a features file"):
        load(str(tmp_path / "x.parquet"))
    with pytest.raises(UserError, match="run ingest"):
        build(str(tmp_path), out=str(tmp_path / "f.parquet"))
    with pytest.raises(UserError, match="engine"):
        build(str(hospital()), out=str(tmp_path / "f.parquet"), engine_name="polars")
