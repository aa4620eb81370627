"""The code lists and units, held against sources of their own."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from bench.support.samples import shared
from model.definitions.features import definitions
from model.deid.check_digits import mod10, verhoeff
from tests.support.model.feature_world import arrow, day, features, history, stay

pytestmark = pytest.mark.process

# IUPAC standard atomic weights (2021), abridged.
WEIGHTS = {"C": 12.011, "H": 1.008, "N": 14.007, "O": 15.999}
CREATININE = {"C": 4, "H": 7, "N": 3, "O": 1}
UREA = {"C": 1, "H": 4, "N": 2, "O": 1}
GLUCOSE = {"C": 6, "H": 12, "O": 6}

# A word of a condition's name and the group that it must lead to; what a word names wrongly stands beside it.
WORDS = {
    "diabet": "diabetes",
    "myocardial infarction": "infarction",
    "heart failure": "heart_failure",
    "stroke": "stroke",
    "alzheimer": "dementia",
    "emphysema": "lung_disease",
    "obstructive bronchitis": "lung_disease",
    "asthma": "lung_disease",
    "rheumatoid": "arthritis",
    "chronic kidney disease": "kidney_disease",
    "malignant": "cancer",
    "carcinoma": "cancer",
    "lung cancer": "cancer",
    "metasta": "metastatic",
    "paralysis": "paralysis",
}
NOT_MEANT = ("prediabetes", "carcinoma in situ", "suspected lung cancer")

CASES = [
    ("icd10cm", "I21.4", "infarction"),
    ("icd10cm", "I25.2", "infarction"),
    ("icd10cm", "I25.10", None),
    ("icd10cm", "E08.22", "diabetes_complicated"),
    ("icd10cm", "E11.65", "diabetes"),
    ("icd10cm", "e1122", "diabetes_complicated"),
    ("icd10cm", "C7A.00", "cancer"),
    ("icd10cm", "C7B.00", "metastatic"),
    ("icd10cm", "C44.91", None),
    ("icd10cm", "I85.11", "liver_severe"),
    ("icd10cm", "K55.9", "vascular_disease"),
    ("icd10gm", "E14.30", "diabetes_complicated"),
    ("icd10gm", "E14.90", "diabetes"),
    ("icd10gm", "K72.73", "liver_severe"),
    ("icd10gm", "I50.14", "heart_failure"),
    ("icd10gm", "F05.1", "dementia"),
    ("icd10gm", "N18.4", "kidney_disease"),
    ("icd10gm", "Z99.2", "kidney_disease"),
    ("icd9cm", "250.43", "diabetes_complicated"),
    ("icd9cm", "250.80", "diabetes"),
    ("icd9cm", "042", "aids"),
    ("icd9cm", "425.4", "heart_failure"),
    ("icd9cm", "425.1", None),
    ("icd9cm", "196.9", "metastatic"),
    ("icd9cm", "173.3", None),
    ("icd9cm", "V56.0", "kidney_disease"),
    ("icd9cm", "438.20", "stroke"),
    ("snomed", "84114007", "heart_failure"),
    ("snomed", "714152005", "kidney_disease"),
    ("snomed", "38341003", None),
    ("icd10cm", "428.0", None),
    ("icd9cm", "I50.9", None),
]


def mass(formula: dict[str, int]) -> float:
    return sum(WEIGHTS[element] * count for element, count in formula.items())


def factor(lab: str, unit: str, code: str | None = None) -> float:
    known = definitions().labs[lab].conversions()
    return known[code or next(iter(known))][unit].factor


def test_units_convert_by_molar_masses() -> None:
    assert factor("creatinine", "umol/L") == pytest.approx(mass(CREATININE) / 1e4, rel=1e-4)
    assert factor("creatinine", "mmol/L") == pytest.approx(mass(CREATININE) / 10, rel=1e-4)
    assert factor("glucose", "mmol/L") == pytest.approx(mass(GLUCOSE) / 10, rel=1e-4)
    nitrogen = 2 * WEIGHTS["N"]
    assert factor("urea_nitrogen", "mmol/L", "3094-0") == pytest.approx(nitrogen / 10, rel=1e-4)
    assert factor("urea_nitrogen", "mmol/L", "22664-7") == pytest.approx(nitrogen / 10, rel=1e-4)
    assert factor("urea_nitrogen", "mg/dL", "3091-6") == pytest.approx(nitrogen / mass(UREA), rel=1e-4)
    assert factor("hemoglobin", "mmol/L") == pytest.approx(64_458 / 4 / 1e4, rel=1e-3)  # the tetramer has four irons
    assert factor("systolic", "kPa") == pytest.approx(760 / 101.325, rel=1e-5)


@pytest.mark.parametrize(
    ("lab", "code", "value", "unit", "expected"),
    [
        ("temperature_last", "8310-5", 98.6, "[degF]", 37.0),
        ("temperature_last", "8310-5", 310.15, "K", 37.0),
        ("white_cells_last", "6690-2", 7400, "/uL", 7.4),
        ("white_cells_last", "6690-2", 7.4, "10*3/uL", 7.4),
        ("hemoglobin_last", "718-7", 130, "g/L", 13.0),
        ("urea_last", "22664-7", 5, "mmol/L", 14.007),
        ("glucose_last", "14749-6", 5.5, "mmol/L", 99.1),
        ("systolic_last", "8480-6", 16, "kPa", 120.0),
        ("heart_rate_last", "8867-4", 72, "/min", 72),
        ("sodium_last", "2951-2", 140, "meq/L", 140),
        ("sodium_last", "2951-2", 140, "mg/dL", None),
        ("sodium_last", "2951-2", 140, None, None),
        ("creatinine_last", "2160-0", float("nan"), "mg/dL", None),
        ("creatinine_last", "2160-0", 97, "mg/dL", None),
    ],
)
def test_a_value_is_converted_or_not_used(lab: str, code: str, value: float, unit: str | None, expected: Any) -> None:
    taken = {"code": code, "value": value, "unit": unit, "status": "final", "taken_at": day(2.9), "known_at": day(2.95)}
    found = history([stay(0, 3)], observation=[taken])[0][lab]
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-3))


def test_windows_are_the_last_day_the_stay_and_the_year() -> None:
    def seen(value: float, at: float) -> dict[str, Any]:
        moments = {"taken_at": day(at), "known_at": day(at)}
        return {"code": "2160-0", "value": value, "unit": "mg/dL", "status": "final", **moments}

    times = [(9.0, -366), (8.0, -20), (3.0, 1), (2.0, 4.5), (1.0, 4.2), (7.0, 5.5)]
    row = history([stay(0, 5)], observation=[seen(*one) for one in times])[0]
    assert (row["creatinine_last"], row["creatinine_max"], row["creatinine_min"]) == (2, 3, 1)
    assert (row["creatinine_day_max"], row["creatinine_day_min"]) == (2, 1)
    earlier = history([stay(0, 5)], observation=[seen(8.0, -20)])[0]
    assert (earlier["creatinine_last"], earlier["creatinine_max"], earlier["creatinine_missing"]) == (8, None, 0)
    assert history([stay(0, 5)], observation=[seen(9.0, -366)])[0]["creatinine_missing"] == 1


def test_an_order_in_two_codes_is_one_drug() -> None:
    both = [{"medication_request_id": "m", "code": code, "authored_at": day(1)} for code in ("860975", "6809")]
    again = {"medication_request_id": "n", "code": "6809", "authored_at": day(2)}
    assert history([stay(0, 3)], medication_request=[*both, again])[0]["drugs"] == 1


@pytest.fixture(scope="module")
def coded() -> dict[tuple[str, str], dict[str, Any]]:
    """The features of one patient for each code, in one extract."""
    patients = {f"{system} {code}": (system, code) for system, code, _ in CASES}
    lists: dict[str, list[dict[str, Any]]] = {
        "patient": [{"patient_id": who, "sex": "female"} for who in patients],
        "encounter": [{"patient_id": who, "status": "finished", "followed": True} | stay(0, 3) for who in patients],
        "condition": [
            {"patient_id": who, "system": system, "code": code, "recorded_at": day(-3)}
            for who, (system, code) in patients.items()
        ],
        "observation": [],
        "medication_request": [],
    }
    return {patients[row["patient_id"]]: row for row in features(arrow(lists))}


@pytest.mark.parametrize(("system", "code", "group"), CASES)
def test_a_code_leads_to_its_group(
    coded: dict[tuple[str, str], dict[str, Any]], system: str, code: str, group: str | None
) -> None:
    row = coded[system, code]
    present = {feature.name for feature in definitions().of_kind("comorbidity") if row[feature.name]}
    assert (group in present) if group else not present


def test_charlson_and_lace_weigh_as_published() -> None:
    weights = {name: (group.weight, group.lace) for name, group in definitions().comorbidities.items()}
    charlson = {"infarction": 1, "liver_severe": 3, "paralysis": 2, "metastatic": 6, "aids": 6}
    lace = {"heart_failure": 2, "dementia": 3, "arthritis": 3, "liver_severe": 4, "aids": 4, "ulcer": 0}
    assert {name: weights[name][0] for name in charlson} == charlson
    assert {name: weights[name][1] for name in lace} == lace
    assert len(weights) == 18


@pytest.mark.parametrize(
    ("days", "points"), [(0.5, 0), (1, 1), (2.9, 2), (3, 3), (4, 4), (6.9, 4), (7, 5), (13.9, 5), (14, 7), (90, 7)]
)
def test_the_points_of_a_stays_length(days: float, points: int) -> None:
    assert history([stay(0, days)])[0]["lace"] == points


def test_the_tables_hold_real_codes() -> None:
    table = definitions()
    assert all(verhoeff(code) for group in table.comorbidities.values() for code in group.snomed)
    codes = [code for lab in table.labs.values() for one in lab.sets for code in one.codes]
    assert all(mod10(code) for code in codes)
    assert len(set(codes)) == len(codes)
    concepts = [code for group in table.comorbidities.values() for code in group.snomed]
    assert len(set(concepts)) == len(concepts)
    assert len(set(table.names)) == len(table.names) < 90
    assert all(feature.of in table.names for feature in table.of_kind("missing"))
    assert all(feature.lab in table.labs for feature in table.of_kind("lab"))
    assert all(feature.window in ("day", "stay", "year") for feature in table.of_kind("lab"))
    assert all(feature.unit == table.labs[feature.lab].unit for feature in table.of_kind("lab"))
    assert {g for f in table.features for g in f.groups} == set(table.comorbidities)
    assert {group.replaces for group in table.comorbidities.values()} - {""} <= set(table.comorbidities)


def reference_data() -> Path:
    return shared("synthea-r4")


def test_every_charlson_condition_of_the_sample_is_mapped() -> None:
    folder = reference_data()
    if not folder.is_dir():
        pytest.skip(f"the reference data is not at {folder}")
    names: dict[str, str] = {}
    for path in sorted(folder.glob("*.json.gz"))[::3]:
        for entry in json.loads(gzip.decompress(path.read_bytes()))["entry"]:
            if entry["resource"]["resourceType"] == "Condition":
                names |= {c["code"]: c["display"].lower() for c in entry["resource"]["code"]["coding"]}
    groups: dict[str, set[str]] = {}
    for feature in definitions().of_kind("comorbidity"):
        for group in feature.groups:
            for code in definitions().comorbidities[group].snomed:
                groups.setdefault(code, set()).add(feature.name)
    meant = {code: name for code, name in names.items() if not any(word in name for word in NOT_MEANT)}
    unmapped = {
        name
        for code, name in meant.items()
        for word, group in WORDS.items()
        if word in name and group not in groups.get(code, set())
    }
    assert len(meant) > 50
    assert not unmapped
