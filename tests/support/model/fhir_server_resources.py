"""Small valid resources of the FHIR server for tests, and what landed of them."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

TYPES = ("Patient", "Encounter", "Condition", "Observation", "MedicationRequest")
SECRET_NAME = "Pemberton"


def resource(kind: str, number: int, *, version: int = 1, updated: str = "2025-01-01T00:00:00Z") -> dict[str, Any]:
    """Return a small valid resource; each belongs to one of three patients."""
    made: dict[str, Any] = {
        "resourceType": kind,
        "id": f"{kind.lower()}-{number}",
        "meta": {"versionId": str(version), "lastUpdated": updated},
    }
    coded = {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]}
    subject = {"subject": {"reference": f"Patient/patient-{number % 3}"}}
    match kind:
        case "Patient":
            return made | {"gender": "female", "birthDate": "1950-02-03", "name": [{"family": SECRET_NAME}]}
        case "Encounter":
            period = {"start": "2024-03-01T08:00:00Z", "end": f"2024-03-{number % 20 + 2:02d}T08:00:00Z"}
            return made | subject | {"status": "finished", "class": {"code": "IMP"}, "period": period}
        case "Condition":
            return made | subject | {"code": coded, "recordedDate": "2024-03-02"}
        case "Observation":
            loinc = {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}
            unit = {"unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}
            value = {"valueQuantity": {"value": 1.1 + number, **unit}, "effectiveDateTime": "2024-03-02T08:00:00Z"}
            return made | subject | {"status": "final", "code": loinc} | value
        case _:
            drug = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "860975"}]}
            order = {"status": "active", "intent": "order", "medicationCodeableConcept": drug}
            order["authoredOn"] = "2024-03-02"
            return made | subject | order


def landed(place: Path) -> Counter[str]:
    """Return how often each version of a resource, bundle or outcome is in the files of a landing place."""
    found: Counter[str] = Counter()
    for path in sorted(place.glob("*/*.ndjson.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            made = json.loads(line)
            found[f"{made['resourceType']}/{made.get('id')}/{made.get('meta', {}).get('versionId')}"] += 1
    return found
