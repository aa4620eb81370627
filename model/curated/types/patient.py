"""The ``patient`` table, from Patient resources."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from model.curated.resource_table import MOMENT, TEXT, Left, ResourceTable, Row, first
from model.deid.groups import groups
from model.io.json_elements import Resource


def _rows(left: Left) -> Iterator[Row]:
    address = first(left.get("address")) or {}
    death = left.get("deceasedDateTime") or {}
    categories = left.get("extension") or {}
    yield (
        left["id"],
        left.get("gender"),
        bool(left.get("deceasedBoolean") or death),
        death.get("at"),
        address.get("state"),
        address.get("postalCode"),
        categories.get("race"),
        categories.get("ethnicity"),
        left.get("birthDate"),
        death.get("since"),
        death.get("vague"),
    )


def _warnings(resource: Resource, _left: Left) -> Iterable[str]:
    return groups().unread(resource.get("extension"))


TABLE = ResourceTable(
    resource_type="Patient",
    name="patient",
    columns={
        "patient_id": TEXT,
        "sex": TEXT,
        "deceased": pa.bool_(),
        "deceased_at": MOMENT,
        "state": TEXT,
        "zip3": TEXT,
        "race": TEXT,
        "ethnicity": TEXT,
        "deprivation": TEXT,
    },
    computed=frozenset({"deprivation"}),
    unpublished={"born_at": MOMENT, "death_since": MOMENT, "death_vague": pa.bool_()},
    rows=_rows,
    why_empty=lambda _resource, _left: "empty",
    warnings=_warnings,
)
