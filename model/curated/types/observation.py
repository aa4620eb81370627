"""The ``observation`` table, from Observation resources: one row a code of each measured value."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from model.curated.resource_table import MOMENT, REAL, TEXT, Left, ResourceTable, Row, why_no_code
from model.fhir.values import NUMBERS, OTHER_CODE, is_needed, reasons
from model.io.json_elements import Resource


def _rows(left: Left) -> Iterator[Row]:
    period = left.get("effectivePeriod") or {}
    taken = left.get("effectiveDateTime") or left.get("effectiveInstant") or period.get("start") or period.get("end")
    known_time = max(filter(None, (left.get("issued"), period.get("end"))), key=datetime.fromisoformat, default=None)
    for measured in (left, *(left.get("component") or ())):
        quantity = measured.get("valueQuantity") or measured.get("valueInteger")
        if quantity is None:
            continue
        absent = quantity.get("absent")
        for coding in (measured.get("code") or {}).get("coding") or ():
            if absent is not None and not is_needed(coding["code"]):
                continue
            yield (
                left["id"],
                left["subject"]["reference"],
                (left.get("encounter") or {}).get("reference"),
                left.get("status"),
                coding["code"],
                quantity.get("value"),
                quantity.get("unit"),
                quantity.get("comparator"),
                absent,
                taken,
                known_time,
            )


def _why_empty(resource: Resource, left: Left) -> str:
    """Return the first reason of a needed measurement, else whether it is a number of another code or no number."""
    needed = [reason for reason in reasons(resource, left) if reason != OTHER_CODE]
    if needed:
        return needed[0]
    measured = [resource, *(resource.get("component") or ())]
    if any(name in one for one in measured for name in NUMBERS):
        return "other-code" if (left.get("code") or {}).get("coding") else why_no_code(resource.get("code"))
    return "no-quantity" if any(name.startswith("value") for one in measured for name in one) else "no-value"


def _warnings(resource: Resource, left: Left) -> Iterable[str]:
    return reasons(resource, left)


TABLE = ResourceTable(
    resource_type="Observation",
    name="observation",
    columns={
        "observation_id": TEXT,
        "patient_id": TEXT,
        "encounter_id": TEXT,
        "status": TEXT,
        "code": TEXT,
        "value": REAL,
        "unit": TEXT,
        "comparator": TEXT,
        "value_absent_reason": TEXT,  # why there is no value (model/deid/measures.py)
        "taken_at": MOMENT,
        "known_at": MOMENT,
    },
    rows=_rows,
    why_empty=_why_empty,
    warnings=_warnings,
)
