"""FHIR resources written out, and what ingestion and the features make of them, patient by patient."""

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from model.curated import curated_tables
from model.curated.ingested import Ingested
from model.curated.run import ingest
from model.deid.subject import Subject, secret_input
from tests.support.model.feature_world import features
from tests.support.model.model_world import RING

Resource = dict[str, Any]

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
UCUM = "http://unitsofmeasure.org"
CREATININE = "2160-0"
HEART_FAILURE = "I50.9"
HOSPITAL = "north"


def concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def patient(who: str, **more: Any) -> Resource:
    return {"resourceType": "Patient", "id": who, "gender": "female", "birthDate": "1950-02-03"} | more


def encounter(who: str, name: str, start: str | None, end: str | None, kind: str = "IMP", **more: Any) -> Resource:
    period = {key: value for key, value in (("start", start), ("end", end)) if value}
    made = {
        "resourceType": "Encounter",
        "id": f"{who}-{name}",
        "status": "finished",
        "class": {"system": ACT_CODE, "code": kind},
        "subject": {"reference": f"Patient/{who}"},
        "period": period,
    }
    return made | more


def condition(who: str, name: str, code: str = HEART_FAILURE, **more: Any) -> Resource:
    made = {
        "resourceType": "Condition",
        "id": f"{who}-{name}",
        "code": concept(ICD10, code),
        "subject": {"reference": f"Patient/{who}"},
    }
    return made | more


def observation(who: str, name: str, at: str | None, value: float, unit: str = "mg/dL", **more: Any) -> Resource:
    made: Resource = {
        "resourceType": "Observation",
        "id": f"{who}-{name}",
        "status": "final",
        "code": concept("http://loinc.org", CREATININE),
        "subject": {"reference": f"Patient/{who}"},
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
    }
    return made | ({"effectiveDateTime": at} if at else {}) | more


def order(who: str, name: str, at: str | None, drug: str = "197361", **more: Any) -> Resource:
    made: Resource = {
        "resourceType": "MedicationRequest",
        "id": f"{who}-{name}",
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{who}"},
        "medicationCodeableConcept": concept(RXNORM, drug),
    }
    return made | ({"authoredOn": at} if at else {}) | more


def disposition(code: str, system: str = DISPOSITION) -> Resource:
    return {"hospitalization": {"dischargeDisposition": concept(system, code)}}


@dataclass(frozen=True)
class Answer:
    """What ingestion and the features made of an extract."""

    ingested: Ingested
    rows: list[dict[str, Any]]
    made_from: Path

    def of(self, who: str) -> list[dict[str, Any]]:
        """Return the index discharges of a patient, in order."""
        pseudonym = subject(who).pseudonym("Patient", who)
        return [row for row in self.rows if row["patient_id"] == pseudonym]

    def curated(self, table: str, who: str) -> list[dict[str, Any]]:
        """Return the curated rows of a patient."""
        pseudonym = subject(who).pseudonym("Patient", who)
        file = next((self.made_from / f"hospital={HOSPITAL}" / table).glob("*.parquet"))
        rows: list[dict[str, Any]] = pq.ParquetFile(file).read().to_pylist()
        return [row for row in rows if row["patient_id"] == pseudonym]


def subject(who: str) -> Subject:
    return Subject(RING.secrets([secret_input(HOSPITAL, who)])[0])


def bundle(resources: Iterable[Resource]) -> Resource:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}


def answer(folder: Path, resources: Iterable[Resource], **options: Any) -> Answer:
    """Ingest resources as one extract and compute its features."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    (folder / "in").mkdir()
    (folder / "in" / "records.json").write_text(json.dumps(bundle(resources)), encoding="utf-8")
    done = ingest(str(folder / "in"), hospital=HOSPITAL, out=str(folder / "out"), ring=RING, **options)
    curated_tables.download(str(folder / "out"), folder / "tables")
    tables = {name: pq.read_table(folder / "tables" / name) for name in curated_tables.TABLES}
    return Answer(done, features(tables), folder / "out")


LATER = [patient("later"), encounter("later", "z", "2024-12-01T10:00:00Z", "2024-12-01T11:00:00Z", "AMB")]
"""A visit at the end of the year, so that the extract follows every earlier discharge."""
