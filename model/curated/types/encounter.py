"""The ``encounter`` table, from Encounter resources."""

from collections.abc import Iterator

import pyarrow as pa

from model.curated.resource_table import MOMENT, TEXT, Left, ResourceTable, Row, first_code
from model.fhir.record_use import encounter_class
from model.io.json_elements import Resource

EMERGENCY = "EMER"


def _rows(left: Left) -> Iterator[Row]:
    if not left.get("class"):
        return
    period = left.get("period") or {}
    hospitalization = left.get("hospitalization") or {}
    yield (
        left["id"],
        left["subject"]["reference"],
        left.get("status"),
        (left.get("class") or {}).get("code"),
        first_code(left.get("priority")),
        period.get("start"),
        period.get("end"),
        first_code(hospitalization.get("admitSource")),
        first_code(hospitalization.get("dischargeDisposition")),
        (left.get("partOf") or {}).get("reference"),
    )


def _with_source_class(encounter: Resource, left: Left) -> Left:
    """Return what is left of an encounter with the class that its source implies by other elements.

    An admission whose own class was emergency stays one by its priority.
    """
    implied = encounter_class(encounter)
    if implied is None or (left.get("class") or {}).get("code") == implied:
        return left
    urgent = (left.get("class") or {}).get("code") == EMERGENCY and "priority" not in left
    priority = {"priority": {"coding": [{"system": "act-priority", "code": "EM"}]}} if urgent else {}
    return left | {"class": {"system": "act-code", "code": implied}} | priority


TABLE = ResourceTable(
    resource_type="Encounter",
    name="encounter",
    columns={
        "encounter_id": TEXT,
        "patient_id": TEXT,
        "status": TEXT,
        "class": TEXT,
        "priority": TEXT,
        "started_at": MOMENT,
        "ended_at": MOMENT,
        "admit_source": TEXT,
        "disposition": TEXT,
        "age_at_start": pa.int32(),  # completed years, 90 for all older
        "died": pa.bool_(),  # in the encounter, or on the local day of its end
        "followed": pa.bool_(),  # whether the readmission window after its end lies inside the extract
        "payer": TEXT,  # the class of payer when it ended
    },
    computed=frozenset({"age_at_start", "died", "followed", "payer"}),
    unpublished={"part_of": TEXT},
    rows=_rows,
    why_empty=lambda _resource, _left: "class",
    preprocess=_with_source_class,
)
