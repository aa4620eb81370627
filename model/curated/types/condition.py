"""The ``condition`` table, from Condition resources: one row a coding."""

from collections.abc import Iterator

from model.curated.resource_table import MOMENT, TEXT, Left, ResourceTable, Row, first_code, why_no_code


def _rows(left: Left) -> Iterator[Row]:
    for coding in (left.get("code") or {}).get("coding") or ():
        yield (
            left["id"],
            left["subject"]["reference"],
            (left.get("encounter") or {}).get("reference"),
            coding["system"],
            coding["code"],
            first_code(left.get("clinicalStatus")),
            first_code(left.get("verificationStatus")),
            left.get("onsetDateTime") or (left.get("onsetPeriod") or {}).get("start"),
            left.get("recordedDate"),
        )


TABLE = ResourceTable(
    resource_type="Condition",
    name="condition",
    columns={
        "condition_id": TEXT,
        "patient_id": TEXT,
        "encounter_id": TEXT,
        "system": TEXT,
        "code": TEXT,
        "clinical_status": TEXT,
        "verification_status": TEXT,
        "onset_at": MOMENT,
        "recorded_at": MOMENT,
        "known_at": MOMENT,  # when recorded, else its onset, else the end of its encounter
    },
    computed=frozenset({"known_at"}),
    rows=_rows,
    why_empty=lambda resource, _left: why_no_code(resource.get("code")),
)
