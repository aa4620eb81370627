"""Date plausibility (``plausible_dates.sql``), deaths, ages and follow-up (``completion.sql``)."""

import functools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

import duckdb

from model.curated.statements import run
from model.definitions.features import definitions
from model.fhir.record_use import record_use

HERE = Path(__file__).parent
UPDATED_SHARE = 0.9
"""``meta.lastUpdated`` says when an extract ends where at least this share of the resources carry it."""
HOUR = 3600


@dataclass(frozen=True)
class Completed:
    """Numbers of excluded resources by reason, and of remarks on patients who are kept."""

    excluded: Counter[str]
    warnings: Counter[str]


def complete(
    con: duckdb.DuckDBPyConnection,
    *,
    observed_until: datetime | None,
    zone: tzinfo,
    sized: Callable[[str], str] = lambda script: script,
) -> Completed:
    """Make ``complete_<table>`` and ``excluded`` from the views ``staged_<table>``, ``resources`` and ``dead``.

    Parameters
    ----------
    con : DuckDBPyConnection
        The staged rows.
    observed_until : datetime, optional
        End of the extract, where it is known.
    zone : tzinfo
        The hospital's time zone.
    sized : callable
        Returns a script for the number of rows.
    """
    con.execute("SET TimeZone = 'UTC'")
    for name, kind, value in _variables(observed_until):
        run(con, f"SET VARIABLE {name} = $value::{kind}", {"value": value})
    run(con, sized(_script("plausible_dates")))
    until = observed_until or _last_day(con, zone)
    run(con, "SET VARIABLE until = $until::TIMESTAMPTZ", {"until": until})
    run(con, sized(_script("completion")))
    excluded = con.execute("SELECT kind || '.' || reason, count(*) FROM excluded GROUP BY ALL").fetchall()
    remarks = con.execute("SELECT remark, count(*) FROM remarks GROUP BY ALL").fetchall()
    return Completed(Counter(dict(excluded)), Counter(dict(remarks)))


def _variables(observed_until: datetime | None) -> list[tuple[str, str, object]]:
    """Return name, type and value of the session's variables: as rows of a table they would be a join for each use."""
    dates, stay = record_use().dates, definitions().stay
    return [
        ("oldest_age", "INTEGER", dates.oldest_age),
        ("first_year", "INTEGER", dates.years[0]),
        ("last_year", "INTEGER", dates.years[1]),
        ("before_birth_days", "INTEGER", dates.before_birth_days),
        ("after_extract_days", "INTEGER", dates.after_extract_days),
        ("silence_days", "INTEGER", dates.silence_days),
        ("silence_patients", "INTEGER", dates.silence_patients),
        ("silence_share", "DOUBLE", dates.silence_share),
        ("death_seconds", "DOUBLE", dates.death_hours * HOUR),
        ("updated_share", "DOUBLE", UPDATED_SHARE),
        ("observed_until", "TIMESTAMPTZ", observed_until),
        ("inpatient", "VARCHAR[]", list(stay.classes)),
        ("ongoing", "VARCHAR[]", list(stay.ongoing)),
        ("return_days", "INTEGER", stay.return_days),
    ]


def _last_day(con: duckdb.DuckDBPyConnection, zone: tzinfo) -> datetime | None:
    """Return the end of the last local day on which an encounter that took place started or ended."""
    newest = con.execute(
        "SELECT max(epoch_us(true_moment(greatest(started_at, ended_at), shift_days))) FROM usable_encounter"
    ).fetchall()
    micros: int | None = newest[0][0]
    if micros is None:
        return None
    last = datetime.fromtimestamp(micros // 1_000_000, zone)
    return last.replace(hour=23, minute=59, second=59)


@functools.cache
def _script(name: str) -> str:
    return (HERE / f"{name}.sql").read_text(encoding="utf-8")
