"""Which FHIR Quantities are measurements, and why others are none."""

import random
from typing import Any

import pytest

from model.deid.measures import Reason
from model.deid.rules import allow_list

UCUM = "http://unitsofmeasure.org"
MIMIC = "http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-units"
SNOMED = "http://snomed.info/sct"
SODIUM, INR, BLOOD_PH = "2951-2", "6301-6", "2744-1"
VARIANTS = 50

# Spellings of three units, and how many of each are one of the first.
SPELLINGS = {
    "10*3/uL": ("K/uL", "x10E3/uL", "thou/mm3", "10*9/L", "/nL", "G/L", "K/µL"),
    "g/L": ("g/L", "gram per liter", "gm/L"),
    "mg/dL": ("mg/dL", "MG/DL", "mg/dl"),
}


def decide(*codes: str, **quantity: Any) -> dict[str, Any] | Reason:
    return allow_list().measured(quantity, codes)


def unit(*codes: str, **quantity: Any) -> str:
    """Return the unit of a quantity of 7.4, or why there is none."""
    found = decide(*codes, value=7.4, **quantity)
    return found if isinstance(found, str) else found["unit"]


@pytest.mark.parametrize(
    ("quantity", "found"),
    [
        ({"code": "mg/dL", "unit": "mg/dl", "system": UCUM}, "mg/dL"),
        ({"code": "mg/dL", "system": UCUM}, "mg/dL"),
        ({"unit": " mg/dL "}, "mg/dL"),
        ({"unit": "mg/dL", "code": ""}, "mg/dL"),
        ({"code": "mg/dL", "unit": "milligrams of sugar", "system": UCUM}, "mg/dL"),
        ({"code": "furlong", "unit": "mg/dL", "system": UCUM}, "mg/dL"),
        ({"code": "mg/dL", "unit": "milligrams of sugar", "system": MIMIC}, "unit-not-understood"),
        ({"code": "mEq/L", "unit": "mEq/L", "system": MIMIC}, "meq/L"),
        ({"code": "mEq/L", "system": MIMIC}, "meq/L"),
        ({"code": "258813002", "unit": "mmol/L", "system": SNOMED}, "mmol/L"),
        ({"code": "258813002", "system": SNOMED}, "unit-not-understood"),
        ({"code": "mg/dL", "unit": "mmol/L", "system": UCUM}, "units-contradict"),
        ({"code": "mg/dL", "unit": "g/L", "system": UCUM}, "units-contradict"),
        ({"code": "/pL", "unit": "/nanoLiters", "system": UCUM}, "units-contradict"),
        ({"code": "1", "unit": "mg/dL", "system": MIMIC}, "units-contradict"),
        ({"code": "10*9/L", "unit": "/nL", "system": UCUM}, "10*3/uL"),
        ({"code": "mg/L", "unit": "ug/mL", "system": UCUM}, "mg/L"),
        ({"code": "ng/mL", "unit": "ng/mL FEU", "system": UCUM}, "unit-not-understood"),
        ({"code": "ng/mL{FEU}", "unit": "ng/mL", "system": UCUM}, "unit-not-understood"),
        ({"unit": "log10 IU/mL"}, "unit-not-understood"),
        ({"unit": "units"}, "unit-not-understood"),
        ({"unit": ["mg/dL"]}, "unit-not-understood"),
        ({"unit": {"a": 1}, "code": 3}, "unit-not-understood"),
        ({}, "no-unit"),
        ({"unit": " ", "system": UCUM}, "no-unit"),
    ],
)
def test_code_and_text_name_one_unit_or_none(quantity: dict[str, Any], found: str) -> None:
    assert unit(**quantity) == found


@pytest.mark.parametrize(
    ("code", "quantity", "found"),
    [
        (SODIUM, {}, "no-unit"),
        (SODIUM, {"unit": "units"}, "unit-not-understood"),
        (SODIUM, {"code": "mmol/L", "unit": "mEq/L", "system": UCUM}, "mmol/L"),
        (SODIUM, {"code": "mg/dL", "unit": "mEq/L", "system": UCUM}, "units-contradict"),
        ("17861-6", {"code": "mmol/L", "unit": "mEq/L", "system": UCUM}, "units-contradict"),
        ("8310-5", {}, "no-unit"),
        (INR, {}, "{INR}"),
        (INR, {"unit": "", "code": None}, "{INR}"),
        (INR, {"code": "{INR}", "system": UCUM}, "{INR}"),
        (INR, {"code": "1", "unit": "Ratio", "system": UCUM}, "{ratio}"),
        (BLOOD_PH, {"unit": "units"}, "[pH]"),
        (BLOOD_PH, {"unit": "pH"}, "[pH]"),
        ("1759-0", {}, "{ratio}"),
    ],
)
def test_what_is_measured_decides_whether_a_number_needs_a_unit(
    code: str, quantity: dict[str, Any], found: str
) -> None:
    assert unit("99999-9", code, **quantity) == found


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        *(({"value": value, "unit": "mg/dL"}, "no-value") for value in (None, "7.1", True, float("nan"), 10**400)),
        ({"unit": "mg/dL"}, "no-value"),
        ({"value": 100_000, "unit": "mg/dL"}, "out-of-bounds"),
        ({"value": -1001, "unit": "mmol/L"}, "out-of-bounds"),
        ({"value": 6175550199}, "no-unit"),
    ],
)
def test_a_number_that_is_no_measurement_has_a_reason(quantity: dict[str, Any], reason: str) -> None:
    assert decide(**quantity) == reason


def test_a_number_without_a_unit_stays_bounded() -> None:
    assert decide(INR, value=6175550199) == "out-of-bounds"
    assert decide(BLOOD_PH, value=88) == "out-of-bounds"
    assert decide(BLOOD_PH, value=7.4) == {"value": 7.4, "unit": "[pH]", "comparator": None}


def test_any_two_spellings_agree_or_contradict() -> None:
    chance = random.Random(4)
    for _ in range(VARIANTS):
        (one, first), (other, second) = chance.choices(list(SPELLINGS.items()), k=2)
        system = chance.choice((UCUM, "https://unitsofmeasure.org/", "urn:oid:2.16.840.1.113883.6.8", MIMIC, None))
        quantity = {"code": chance.choice(first), "unit": chance.choice(second), "system": system}
        assert unit(**quantity) == (one if one == other else "units-contradict"), quantity


def test_an_unusual_unit_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.deid.measures.REMEMBERED", 5)
    monkeypatch.setattr("model.definitions.units.REMEMBERED", 5)
    for number in range(20):
        assert unit(unit=f"furlong {number}") == "unit-not-understood"
    assert unit(unit="mg/dL") == "mg/dL"
