"""Date plausibility (``plausible_dates.sql``), deaths, ages and follow-up (``completion.sql``)."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

import duckdb

from model.definitions.features import definitions
from model.fhir.record_use import record_use

HERE = Path(__file__).parent
UPDATED_SHARE = 0.9
"""``meta.lastUpdated`` says when an extract ends where at least this share of the resources carry it."""
HOUR = 3600

_SETTINGS = """CREATE TABLE settings AS SELECT $oldest_age::INTEGER AS oldest_age,
    $first_year::INTEGER AS first_year, $last_year::INTEGER AS last_year,
    $before_birth_days::INTEGER AS before_birth_days, $after_extract_days::INTEGER AS after_extract_days,
    $silence_days::INTEGER AS silence_days, $silence_patients::INTEGER AS silence_patients,
    $silence_share::DOUBLE AS silence_share, $death_seconds::DOUBLE AS death_seconds,
    $updated_share::DOUBLE AS updated_share, $observed_until::TIMESTAMPTZ AS observed_until,
    $inpatient::VARCHAR[] AS inpatient, $ongoing::VARCHAR[] AS ongoing, $return_days::INTEGER AS return_days"""


@dataclass(frozen=True)
class Completed:
    """How many resources are excluded for what was found, and remarks on patients that are used all the same."""

    excluded: Counter[str]
    warnings: Counter[str]


def complete(con: duckdb.DuckDBPyConnection, *, observed_until: datetime | None, zone: tzinfo) -> Completed:
    """Make ``complete_<table>`` and ``excluded`` from the views ``staged_<table>``, ``resources`` and ``dead``.

    Parameters
    ----------
    con : DuckDBPyConnection
        The staged rows.
    observed_until : datetime, optional
        End of the extract, where it is known.
    zone : tzinfo
        The hospital's time zone.
    """
    dates, stay = record_use().dates, definitions().stay
    con.execute("SET TimeZone = 'UTC'")
    con.execute(
        _SETTINGS,
        {
            "oldest_age": dates.oldest_age,
            "first_year": dates.years[0],
            "last_year": dates.years[1],
            "before_birth_days": dates.before_birth_days,
            "after_extract_days": dates.after_extract_days,
            "silence_days": dates.silence_days,
            "silence_patients": dates.silence_patients,
            "silence_share": dates.silence_share,
            "death_seconds": dates.death_hours * HOUR,
            "updated_share": UPDATED_SHARE,
            "observed_until": observed_until,
            "inpatient": list(stay.classes),
            "ongoing": list(stay.ongoing),
            "return_days": stay.return_days,
        },
    )
    con.execute(_statements("plausible_dates"))
    until = observed_until or _last_day(con, zone)
    con.execute("CREATE TABLE follow_up AS SELECT $until::TIMESTAMPTZ AS until", {"until": until})
    con.execute(_statements("completion"))
    excluded = con.execute("SELECT kind || '.' || reason, count(*) FROM excluded GROUP BY ALL").fetchall()
    remarks = con.execute("SELECT remark, count(*) FROM remarks GROUP BY ALL").fetchall()
    return Completed(Counter(dict(excluded)), Counter(dict(remarks)))


def _last_day(con: duckdb.DuckDBPyConnection, zone: tzinfo) -> datetime | None:
    """Return the end of the last local day on which an encounter that took place started or ended."""
    found = con.execute(
        "SELECT max(epoch_us(true_moment(greatest(started_at, ended_at), shift_days))) FROM usable_encounter"
    ).fetchall()
    micros: int | None = found[0][0]
    if micros is None:
        return None
    last = datetime.fromtimestamp(micros // 1_000_000, zone)
    return last.replace(hour=23, minute=59, second=59)


def _statements(name: str) -> str:
    return (HERE / f"{name}.sql").read_text(encoding="utf-8")
