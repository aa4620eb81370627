"""Whether a Coverage tells who paid for a stay, and which one was in force when an encounter ended."""

from typing import Any

import duckdb

from model.deid.groups import groups
from model.deid.subject import moment_of

# The Coverage in force, else one without dates, else the newest; of several, the first class of the table.
_PAYERS = """
CREATE TABLE payers AS
WITH choices AS (
    SELECT e.sequence, c.payer, c.starts_at, CASE
        WHEN c.starts_at IS NULL AND c.ends_at IS NULL THEN 1
        WHEN coalesce(c.starts_at <= e.at, true) AND coalesce(e.at <= c.ends_at, true) THEN 0
        ELSE 2 END AS choice
    FROM (SELECT sequence, patient_id, coalesce(ended_at, started_at) AS at FROM complete_encounter) e
    JOIN staged_coverage c USING (patient_id)
)
SELECT sequence, payer FROM choices QUALIFY row_number() OVER (
    PARTITION BY sequence
    ORDER BY choice, CASE WHEN choice = 2 THEN starts_at END DESC NULLS LAST, list_position($order::VARCHAR[], payer)
) = 1
"""
VAGUE = "vague"


def why_unusable(left: dict[str, Any]) -> str:
    """Return why an active Coverage tells no payer of a stay, from what the allow list left of it."""
    if payer_of(left) is None:
        return "payer-not-understood"
    return "period-not-a-day" if VAGUE in left else "period-reversed"


def payer_of(left: dict[str, Any]) -> str | None:
    """Return the class of payer: the first of the table's order that ``type`` or ``payor`` tells."""
    named = {left.get("type"), left.get("payor")}
    return next((one for one in groups().table.payers.order if one in named), None)


def marked(resource: dict[str, Any], left: dict[str, Any]) -> dict[str, Any]:
    """Return what is left of a Coverage with a mark where its period has a date that is no day, and is left without."""
    period = resource.get("period") or {}
    dates = [period[end] for end in ("start", "end") if end in period]
    return left | {VAGUE: True} if any(moment_of(date) is None for date in dates) else left


def is_usable(left: dict[str, Any]) -> bool:
    """Return whether what is left of a Coverage tells a payer for a period that can be."""
    period = left.get("period") or {}
    is_reversed = "start" in period and "end" in period and period["end"] < period["start"]
    return VAGUE not in left and not is_reversed and payer_of(left) is not None


def find_payers(con: duckdb.DuckDBPyConnection) -> None:
    """Make ``payers``: the class of payer of each encounter, by ``sequence``, whose patient has a Coverage."""
    con.execute(_PAYERS, {"order": list(groups().table.payers.order)})
