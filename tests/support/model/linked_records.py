"""FHIR records that refer to each other across files, and what ingestion makes of them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from model.curated.ingested import Ingested
from model.curated.run import ingest
from model.deid.subject import Subject, secret_input
from tests.support.model.curated_rows import rows
from tests.support.model.model_world import RING

ACT = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
MRN = "http://hospital.example/mrn"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
Resource = dict[str, Any]


def run(source: Path, **options: Any) -> Ingested:
    return ingest(
        str(source / "in"),
        hospital="north",
        out=str(source / "out"),
        ring=RING,
        max_bad_share=0.5,
        **options,
    )


def patient(identity: str | None = None, *identifiers: tuple[str, str], **members: Any) -> Resource:
    listed = [{"system": system, "value": value} for system, value in identifiers]
    base: Resource = {"resourceType": "Patient", "gender": "female", "birthDate": "1950-02-03"}
    return base | ({"id": identity} if identity else {}) | ({"identifier": listed} if listed else {}) | members


def stay(identity: str, subject: Any, *, clock: str = "10:00", day: int = 1) -> Resource:
    reference = {"reference": subject} if isinstance(subject, str) else subject
    period = {"start": f"2024-03-{day:02}T{clock}:00Z", "end": f"2024-03-{day:02}T23:59:00Z"}
    base: Resource = {"resourceType": "Encounter", "id": identity, "status": "finished", "class": ACT}
    return base | {"subject": reference, "period": period}


def replaced_by(other: str, kind: str = "replaced-by") -> dict[str, Any]:
    return {"other": {"reference": f"Patient/{other}"}, "type": kind}


def write(folder: Path, name: str, *resources: Resource) -> None:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / name).write_text("".join(json.dumps(one) + "\n" for one in resources), encoding="utf-8")


def message(*entries: Resource) -> Resource:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def subject(identity: str) -> Subject:
    return Subject(RING.secrets([secret_input("north", identity)])[0])


def owners(out: Path) -> Counter[str]:
    return Counter(row["patient_id"] for row in rows(out, "encounter"))


def posted(url: str, resource: Resource, condition: str | None = None) -> Resource:
    request = {"method": "POST", "url": resource["resourceType"]} | ({"ifNoneExist": condition} if condition else {})
    return {"fullUrl": url, "resource": resource, "request": request}


def put(url: str, resource: Resource, condition: str) -> Resource:
    return {"fullUrl": url, "resource": resource, "request": {"method": "PUT", "url": condition}}


def medication_order(number: int) -> Resource:
    base: Resource = {"resourceType": "MedicationRequest", "id": f"m{number}", "status": "active", "intent": "order"}
    return base | {"subject": {"reference": "Patient/p1"}, "authoredOn": "2024-03-02"}
