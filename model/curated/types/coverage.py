"""The ``coverage`` table, from Coverage resources: who paid, from which the payer of an encounter is computed.

Never published: plan years begin on 1 January, so the dates of a Coverage would tell a patient's date shift.
"""

from collections.abc import Iterator

import pyarrow as pa

from model.curated.resource_table import MOMENT, TEXT, Left, ResourceTable, Row
from model.deid.groups import groups
from model.deid.subject import moment_of
from model.io.json_elements import Resource

VAGUE = "vague"
_STAGED: dict[str, pa.DataType] = {
    "coverage_id": TEXT,
    "patient_id": TEXT,
    "payer": TEXT,
    "starts_at": MOMENT,
    "ends_at": MOMENT,
}


def _payer(left: Left) -> str | None:
    """Return the class of payer: the first of the table's order that ``type`` or ``payor`` tells."""
    named = {left.get("type"), left.get("payor")}
    return next((one for one in groups().table.payers.order if one in named), None)


def _rows(left: Left) -> Iterator[Row]:
    period, payer = left.get("period") or {}, _payer(left)
    is_reversed = "start" in period and "end" in period and period["end"] < period["start"]
    if VAGUE not in left and not is_reversed and payer is not None:
        yield left["id"], left["beneficiary"]["reference"], payer, period.get("start"), period.get("end")


def _why_empty(_resource: Resource, left: Left) -> str:
    if _payer(left) is None:
        return "payer-not-understood"
    return "period-not-a-day" if VAGUE in left else "period-reversed"


def _marked(resource: Resource, left: Left) -> Left:
    """Return what is left of a Coverage with a mark where its period has a date that is no day, and is left without."""
    period = resource.get("period") or {}
    dates = [period[end] for end in ("start", "end") if end in period]
    return left | {VAGUE: True} if any(moment_of(date) is None for date in dates) else left


TABLE = ResourceTable(
    resource_type="Coverage",
    name="coverage",
    columns={},
    unpublished=_STAGED,
    rows=_rows,
    why_empty=_why_empty,
    preprocess=_marked,
)
