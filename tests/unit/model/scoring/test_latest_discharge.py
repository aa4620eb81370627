"""Scoring from any patient's FHIR file: a stay that goes on, one that is over, and files that cannot be scored."""

import json
from pathlib import Path
from typing import Any

import pytest

from model.definitions.features import definitions
from model.errors import UserError
from model.scoring.latest_discharge import latest_of_bundle
from tests.support.model.model_world import write_bundle

pytestmark = pytest.mark.process

CLASS = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"


def patient(identity: str = "p1") -> dict[str, Any]:
    return {"resourceType": "Patient", "id": identity, "gender": "female", "birthDate": "1950-04-01"}


def encounter(start: str, end: str | None, disposition: str | None = None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Encounter",
        "id": f"e{start[:10]}",
        "status": "finished" if end else "in-progress",
        "class": CLASS,
        "subject": {"reference": "Patient/p1"},
        "period": {"start": start} | ({"end": end} if end else {}),
    }
    if disposition:
        made["hospitalization"] = {"dischargeDisposition": {"coding": [{"system": DISPOSITION, "code": disposition}]}}
    return made | more


def creatinine(at: str, value: float) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{at[:10]}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": at,
        "valueQuantity": {"value": value, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"},
    }


def found(tmp_path: Path, *resources: dict[str, Any]) -> dict[str, float | None]:
    content = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
    path = write_bundle(tmp_path / "patient.json", json.loads(json.dumps(content)))
    return {name: column[0] for name, column in latest_of_bundle(str(path)).columns.items()}


def test_a_stay_that_goes_on_ends_with_the_newest_record(tmp_path: Path) -> None:
    earlier = encounter("2024-01-01T08:00:00Z", "2024-01-05T08:00:00Z", "home")
    now = encounter("2024-03-01T08:00:00Z", None)
    row = found(tmp_path, patient(), earlier, now, creatinine("2024-03-03T08:00:00Z", 2.5))
    assert row["stay_days"] == 2
    assert row["creatinine_last"] == 2.5
    assert row["admissions_6m"] == 1
    assert set(row) == set(definitions().names)


def test_a_stay_that_is_over_is_scored_as_it_ended(tmp_path: Path) -> None:
    over = encounter("2024-01-01T08:00:00Z", "2024-01-05T08:00:00Z", "hhc")
    row = found(tmp_path, patient(), over, creatinine("2024-02-01T08:00:00Z", 9.0))
    assert (row["stay_days"], row["home_health"], row["creatinine_last"]) == (4, 1, None)


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        ([patient()], "no inpatient encounter"),
        ([patient(), encounter("2024-01-01T08:00:00Z", "2024-01-05T08:00:00Z", "exp")], "died in hospital"),
        ([patient(), encounter("2024-01-01T08:00:00Z", "2024-01-05T08:00:00Z", "hosp")], "went to hospice"),
        ([patient(), patient("p2")], "holds 2 patients"),
    ],
)
def test_what_cannot_be_scored_is_one_sentence(tmp_path: Path, resources: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        found(tmp_path, *resources)
