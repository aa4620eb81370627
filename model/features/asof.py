"""Point-in-time view of the curated tables, so that one definition gives online features too."""

from collections.abc import Callable
from datetime import UTC, datetime

import ibis

from model.definitions.features import definitions
from model.errors import UserError
from model.features.expression import Tables

INSTANT = "timestamp('UTC', 6)"
"""Type of a moment in an expression."""
# When each kind of record became known.
KNOWN: dict[str, Callable[[ibis.Table], ibis.Value]] = {
    "encounter": lambda t: t.started_at,
    "condition": lambda t: t.known_at,
    "observation": lambda t: ibis.greatest(t.taken_at, t.known_at.coalesce(t.taken_at)),
    "medication_request": lambda t: t.authored_at,
}


def moment(text: str) -> datetime:
    """Read the moment of ``--as-of``: ISO 8601, UTC where it names no zone."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UserError("--as-of must be a time such as 2024-03-01T12:00:00Z.") from None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def known_at(tables: Tables, at: datetime | ibis.Value, patient: str | None = None) -> dict[str, ibis.Table]:
    """Return the tables with only what was known at a moment; a stay that went on then ends there.

    The moment is on the patient's own shifted calendar, like every date of the curated tables. Of an encounter that
    went on, the end and the disposition are not known yet; of a patient who died later, neither is the death.
    """
    rules = definitions().stay
    now = _instant(at)
    seen = {name: t.filter(t.patient_id == patient) if patient else t for name, t in tables.items()}
    visible = {name: seen[name].filter(when(seen[name]) <= now) for name, when in KNOWN.items()}
    e = visible["encounter"]
    over = e.ended_at.notnull() & (e.ended_at <= now)
    lost = e.ended_at.isnull() & e.status.isin(rules.over).fill_null(False)
    settled = over | lost
    encounter = e.mutate(
        ended_at=ibis.ifelse(settled, e.ended_at, now),
        disposition=ibis.ifelse(settled, e.disposition, ibis.null("string")),
        died=settled & e.died,
        followed=ibis.literal(False),
    )
    p = seen["patient"]
    patients = p.mutate(deceased_at=ibis.ifelse(p.deceased_at <= now, p.deceased_at, ibis.null(p.deceased_at.type())))
    return visible | {"encounter": encounter, "patient": patients}


def at_newest(tables: Tables) -> tuple[dict[str, ibis.Table], ibis.Table]:
    """Return the tables as if each stay that goes on ended with the newest record of its patient, and those moments.

    No true time is needed, which the shifted calendar does not have: all that is recorded is known.

    Returns
    -------
    tuple
        The tables, and a row ``patient_id``, ``newest`` for each patient with such a stay.
    """
    rules = definitions().stay
    e = tables["encounter"]
    moments = ibis.union(*(_moments(tables[name], name) for name in KNOWN))
    newest_of = moments.group_by("patient_id").aggregate(newest=moments.known.max())
    wide = e.left_join(newest_of, "patient_id").drop("patient_id_right")
    goes_on = wide.ended_at.isnull() & ~wide.status.isin(rules.over).fill_null(False)
    encounter = wide.mutate(
        ended_at=ibis.ifelse(goes_on, wide.newest, wide.ended_at),
        disposition=ibis.ifelse(goes_on, ibis.null("string"), wide.disposition),
        died=~goes_on & wide.died,
        followed=ibis.literal(False),
    ).drop("newest")
    inpatients = wide.filter(goes_on & wide["class"].isin(rules.classes)).select("patient_id", "newest").distinct()
    return {**tables, "encounter": encounter}, inpatients


def _moments(table: ibis.Table, name: str) -> ibis.Table:
    known_times = KNOWN[name](table)
    if name == "encounter":
        known_times = ibis.greatest(known_times, table.ended_at.coalesce(known_times))
    return table.select("patient_id", known=known_times)


def newest(tables: Tables, name: str) -> ibis.Value:
    """Return when the newest record of a table became known; for encounters, also when the newest ended."""
    return _moments(tables[name], name).known.max().name("newest")


def leaving(all_stays: ibis.Table, at: datetime | ibis.Value) -> ibis.Table:
    """Return the stays that last until the moment."""
    return all_stays.filter(all_stays.discharged_at == _instant(at))


def _instant(at: datetime | ibis.Value) -> ibis.Value:
    return ibis.literal(at, type=INSTANT) if isinstance(at, datetime) else at
