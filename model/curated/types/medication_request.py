"""The ``medication_request`` table, from MedicationRequest resources: one row a code of the drug."""

from collections.abc import Iterator

from model.curated.resource_table import MOMENT, TEXT, Left, ResourceTable, Row, why_no_code
from model.io.json_elements import Resource


def _rows(left: Left) -> Iterator[Row]:
    for coding in (left.get("medicationCodeableConcept") or {}).get("coding") or ():
        yield (
            left["id"],
            left["subject"]["reference"],
            (left.get("encounter") or {}).get("reference"),
            left.get("status"),
            coding["code"],
            left.get("authoredOn"),
        )


def _why_empty(resource: Resource, _left: Left) -> str:
    if "medicationCodeableConcept" not in resource:
        return "medication-not-found"
    return why_no_code(resource["medicationCodeableConcept"])


TABLE = ResourceTable(
    resource_type="MedicationRequest",
    name="medication_request",
    columns={
        "medication_request_id": TEXT,
        "patient_id": TEXT,
        "encounter_id": TEXT,
        "status": TEXT,
        "code": TEXT,
        "authored_at": MOMENT,
    },
    rows=_rows,
    why_empty=_why_empty,
)
