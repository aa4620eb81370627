"""k-anonymity: the smallest equivalence class of patients, and suppression to enlarge it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb

from model.curated.payers import find_payers
from model.deid.groups import groups

GROUPED = {"patient": "grouped_patient", "encounter": "grouped_encounter"}
"""The views of the tables that hold groups of patients."""

# All payers of a patient together: each of them is published with an encounter.
_PEOPLE = """
CREATE TABLE people AS
SELECT p.patient_id, p.sex, p.race, p.ethnicity, p.state, p.zip3, areas.deprivation, paid.payer,
    CASE WHEN age IS NOT NULL THEN len(list_filter($age_bands::INTEGER[], lambda start: start <= age)) END AS age_band
FROM complete_patient p
LEFT JOIN (SELECT unnest($zip3::VARCHAR[]) AS zip3, unnest($parts::VARCHAR[]) AS deprivation) areas USING (zip3)
LEFT JOIN (SELECT patient_id, max(age_at_start) AS age FROM complete_encounter GROUP BY patient_id) ages
    USING (patient_id)
LEFT JOIN (
    SELECT patient_id, string_agg(DISTINCT payer, '+' ORDER BY payer) AS payer
    FROM complete_encounter JOIN payers USING (sequence) GROUP BY patient_id
) paid USING (patient_id)
"""
_VIEWS = """
CREATE VIEW grouped_patient AS
SELECT p.* REPLACE (g.race AS race, g.ethnicity AS ethnicity, g.state AS state, g.zip3 AS zip3), g.deprivation
FROM complete_patient p JOIN suppressed g USING (patient_id);
CREATE VIEW grouped_encounter AS
SELECT e.*, CASE WHEN g.payer IS NOT NULL THEN payers.payer END AS payer
FROM complete_encounter e LEFT JOIN payers USING (sequence) LEFT JOIN suppressed g USING (patient_id);
"""


@dataclass(frozen=True)
class Cells:
    """Smallest equivalence class and suppression counts of a hospital's patients."""

    smallest: int | None = None
    """Patients in the smallest cell, after suppression; nothing without patients."""
    suppressed: dict[str, int] = field(default_factory=dict)
    """Of how many patients a value was suppressed, by attribute."""


def group(con: duckdb.DuckDBPyConnection, deprivation: Mapping[str, str]) -> Cells:
    """Make the views of ``GROUPED`` from the ``complete_`` tables, with no values that make a cell too small.

    An attribute is suppressed for all patients of the cells that are too small at its turn; patients without a value
    are alike in it. So no combination of the published values belongs to fewer patients than the rules allow, unless
    the attributes that the model needs alone make it so.

    Parameters
    ----------
    con : DuckDBPyConnection
        The completed tables.
    deprivation : mapping
        The part of the deprivation index of each three-digit ZIP area.
    """
    find_payers(con)
    rules = groups().table.cells
    areas = {"zip3": list(deprivation), "parts": list(deprivation.values())}
    con.execute(_PEOPLE, areas | {"age_bands": list(rules.age_bands)})
    size = f"count(*) OVER (PARTITION BY {', '.join((*rules.fixed, *rules.suppress))})"
    people = con.table("people")
    before = _known(people, rules.suppress)
    for name in rules.suppress:
        people.project(f"* REPLACE (CASE WHEN {size} >= {rules.least} THEN {name} END AS {name})").create(
            f"less_{name}"
        )
        people = con.table(f"less_{name}")
    after = _known(people, rules.suppress)
    people.create_view("suppressed")
    con.execute(_VIEWS)
    (smallest,) = people.project(f"{size} AS size").aggregate("min(size)").fetchall()[0]
    return Cells(smallest, {name: before[name] - after[name] for name in sorted(before) if before[name] > after[name]})


def _known(people: duckdb.DuckDBPyRelation, names: tuple[str, ...]) -> dict[str, int]:
    """Return of how many patients each attribute is known."""
    counted = people.aggregate(", ".join(f"count({name})" for name in names)).fetchall()[0]
    return dict(zip(names, counted, strict=True))
