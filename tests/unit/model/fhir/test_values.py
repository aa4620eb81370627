"""Values of Observations on their way into the curated tables: used, or counted by reason."""

import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from model.curated import curated_tables
from model.curated.ingested import Ingested
from model.curated.run import ingest
from model.errors import GateError
from model.features.build import build
from model.features.feature_file import load
from tests.support.model.model_world import RING, write_bundle

pytestmark = pytest.mark.process

UCUM = "http://unitsofmeasure.org"
SODIUM, CREATININE, INR, SURVEY = "2951-2", "2160-0", "6301-6", "69723-8"
SECRET = "Quackenbush-4471"


def observation(code: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2024-03-04T09:00:00Z",
        **more,
    }


def quantity(value: float | None, unit: str | None = None, **more: Any) -> dict[str, Any]:
    given = {"value": value, "unit": unit, **more}
    return {"valueQuantity": {name: one for name, one in given.items() if one is not None}}


def hospital(folder: Path, observations: list[dict[str, Any]]) -> Ingested:
    """Ingest one stay with observations on its last day, and an encounter long after it."""
    patient = {"reference": "Patient/p1"}
    act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    encounters = [("IMP", "2024-03-01", "2024-03-05"), ("AMB", "2024-12-01", "2024-12-01")]
    resources = [
        {"resourceType": "Patient", "id": "p1", "birthDate": "1950-02-03", "gender": "female"},
        *(
            {
                "resourceType": "Encounter",
                "id": f"e-{start}",
                "status": "finished",
                "class": {"system": act, "code": kind},
                "subject": patient,
                "period": {"start": f"{start}T10:00:00Z", "end": f"{end}T11:00:00Z"},
            }
            for kind, start, end in encounters
        ),
        *({"id": f"o{number}"} | one for number, one in enumerate(observations)),
    ]
    content = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
    write_bundle(folder / "in" / "a.json", content)
    return ingest(str(folder / "in"), hospital="north", out=str(folder / "out"), ring=RING)


def rows(folder: Path) -> list[tuple[str, float | None, str | None, str | None]]:
    curated_tables.download(str(folder / "out"), folder / "tables")
    table = pq.read_table(folder / "tables" / "observation")
    columns = ("code", "value", "unit", "value_absent_reason")
    return sorted((tuple(row[name] for name in columns) for row in table.to_pylist()), key=str)


def features(folder: Path) -> dict[str, Any]:
    build(str(folder / "out"), out=str(folder / "f.parquet"))
    row: dict[str, Any] = load(str(folder / "f.parquet"))[0].to_pylist()[0]
    return row


def test_every_value_is_a_row_or_a_reason(tmp_path: Path) -> None:
    panel = observation(
        "85354-9",
        component=[
            {"code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}} | quantity(120, "mm Hg"),
            {"code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]}} | quantity(80, SECRET),
        ],
    )
    absent = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]}
    done = hospital(
        tmp_path,
        [
            observation(SODIUM, **quantity(139, "mEq/L", code="mEq/L", system=UCUM)),
            observation(SODIUM, **quantity(139)),
            observation(SODIUM, **quantity(139, SECRET)),
            observation(SODIUM, **quantity(139, "mg/dL", code="mmol/L", system=UCUM)),
            observation(SODIUM, **quantity(99_000, "mmol/L")),
            observation(SODIUM, **quantity(None, "mmol/L")),
            observation(SODIUM, valueString="139 mmol/L"),
            observation(SODIUM, valueCodeableConcept={"text": "normal"}),
            observation(SODIUM, valueBoolean=True),
            observation(SODIUM, valueInteger=139),
            observation(SODIUM, dataAbsentReason=absent),
            observation(INR, valueInteger=2),
            observation(INR, **quantity(2.5)),
            observation(SURVEY, valueInteger=3),
            observation(SURVEY, **quantity(3, SECRET)),
            observation(SURVEY, valueString="often"),
            panel,
        ],
    )
    assert {name: number for name, number in done.warnings.items() if name.startswith("Observation.")} == {
        "Observation.no-unit": 2,
        "Observation.unit-not-understood": 2,
        "Observation.units-contradict": 1,
        "Observation.out-of-bounds": 1,
        "Observation.no-value": 2,
        "Observation.value-as-text": 2,
        "Observation.value-of-another-type": 1,
        "Observation.other-code": 2,
    }
    assert rows(tmp_path) == sorted(
        [
            (SODIUM, 139.0, "meq/L", None),
            *((SODIUM, None, None, reason) for reason in ("no-unit", "no-unit", "unit-not-understood")),
            *((SODIUM, None, None, reason) for reason in ("units-contradict", "out-of-bounds", "no-value")),
            (INR, 2.0, "{INR}", None),
            (INR, 2.5, "{INR}", None),
            ("8480-6", 120.0, "mm[Hg]", None),
            ("8462-4", None, None, "unit-not-understood"),
        ],
        key=str,
    )
    assert features(tmp_path)["sodium_last"] == 139
    assert SECRET.encode() not in b"".join(
        path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()
    )


@pytest.mark.parametrize(
    "written",
    [
        {"unit": "mEq/L", "code": ""},
        {"unit": " mEq/L ", "code": " mEq/L "},
        {"unit": "", "code": "meq/L"},
        {"unit": "mEq/L", "code": "  "},
    ],
)
def test_empty_and_spaced_units_are_no_reason_to_refuse(tmp_path: Path, written: dict[str, Any]) -> None:
    done = hospital(tmp_path, [observation(SODIUM, valueQuantity={"value": 139, **written})])
    assert done.counts == {"accepted": 4, "used": 4}
    assert features(tmp_path)["sodium_last"] == 139


def test_creatinine_is_the_same_however_it_is_written(tmp_path: Path) -> None:
    chance = random.Random(9)
    mass = 4 * 12.011 + 7 * 1.008 + 3 * 14.007 + 15.999
    forms = [(1.0, unit) for unit in ("mg/dL", "MG/DL", "mg / dl", "milligram per deciliter")]
    forms += [(1e4 / mass, unit) for unit in ("umol/L", "µmol/L", "μmol/l", "mcmol/L", "UMOL/L")]
    forms += [(10.0, "mg/L"), (10.0, "ug/mL"), (10.0, "mcg/mL"), (10 / mass, "mmol/L"), (1000.0, "ug/dL")]
    for number in range(4):
        right = round(chance.uniform(0.4, 9), 2)
        factor, unit = chance.choice(forms)
        folder = tmp_path / str(number)
        hospital(folder, [observation(CREATININE, **quantity(float(f"{right * factor:.6g}"), unit))])
        assert features(folder)["creatinine_last"] == pytest.approx(right, rel=1e-4), unit


def test_features_refuse_a_measurement_whose_units_are_not_understood(tmp_path: Path) -> None:
    known = [observation(SODIUM, **quantity(140, "mmol/L")) for _ in range(30)]
    unknown = [observation(SODIUM, **quantity(140, SECRET)) for _ in range(8)]
    hospital(tmp_path / "few", known + unknown[:7])
    assert build(str(tmp_path / "few" / "out"), out=str(tmp_path / "few.parquet")).counts["unknown_unit_sodium"] == 7
    hospital(tmp_path / "many", known + unknown)
    out = tmp_path / "many.parquet"
    with pytest.raises(GateError, match=r"8 of 38 values of sodium of hospital north \(21.1%\).*units.yaml") as refusal:
        build(str(tmp_path / "many" / "out"), out=str(out))
    assert SECRET not in str(refusal.value)
    assert not out.exists()
    done = build(str(tmp_path / "many" / "out"), out=str(out), max_unknown_units=0.3)
    assert done.counts["measurements_unknown_unit"] == done.counts["unknown_unit_sodium"] == 8
    assert done.counts["measurements_used"] == 30
