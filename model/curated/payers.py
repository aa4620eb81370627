"""Payer class of each encounter: from the Coverage in force at its end."""

import duckdb

from model.deid.groups import groups

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


def find_payers(con: duckdb.DuckDBPyConnection) -> None:
    """Make ``payers``: the class of payer of each encounter, by ``sequence``, whose patient has a Coverage."""
    con.execute(_PAYERS, {"order": list(groups().table.payers.order)})
