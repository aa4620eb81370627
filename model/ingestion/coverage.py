"""Whether a Coverage tells who paid for a stay, and which Coverage was in force at an encounter's end."""

from typing import Any

import ibis

from model.deid.groups import groups
from model.deid.subject import moment_of

DAY_SECONDS = 86_400
IN_FORCE = "active"


def exclusion(resource: dict[str, Any], left: dict[str, Any]) -> str | None:
    """Return why a valid Coverage is not used; nothing when it is.

    Parameters
    ----------
    resource : dict
        The Coverage as it came.
    left : dict
        What the allow list let through of it.
    """
    if resource.get("status") != IN_FORCE:
        return "status"
    given, kept = (one.get("period") or {} for one in (resource, left))
    dates = [given.get(end) for end in ("start", "end") if given.get(end) is not None]
    if any(moment_of(date) is None for date in dates):
        return "period-not-a-day"
    if "start" in kept and "end" in kept and kept["end"] < kept["start"]:
        return "period-reversed"
    return None if payer(left) else "payer-not-understood"


def payer(left: dict[str, Any]) -> str | None:
    """Return the class of payer: the first of the table's order that ``type`` or ``payor`` tells."""
    named = {left.get("type"), left.get("payor")}
    return next((one for one in groups().table.payers.order if one in named), None)


def payers(encounters: ibis.Table, covers: ibis.Table) -> ibis.Table:
    """Return ``sequence`` and ``payer`` of the encounters whose patient has a Coverage.

    It is the Coverage in force when the encounter ended, else one without dates, else the newest.

    Parameters
    ----------
    encounters : ibis.Table
        Staged encounters.
    covers : ibis.Table
        Staged Coverages.
    """
    order = groups().table.payers.order
    at = encounters.ended_at.coalesce(encounters.started_at)
    pair = encounters.select("sequence", "patient_id", at=at).inner_join(
        covers.select("patient_id", "payer", "starts_at", "ends_at"), "patient_id"
    )
    # A period ends with its last day, whatever the clock says.
    begun = (pair.starts_at <= pair["at"]).fill_null(True)
    lasting = (pair["at"].epoch_seconds() < pair.ends_at.epoch_seconds() + DAY_SECONDS).fill_null(True)
    dated = pair.starts_at.notnull() | pair.ends_at.notnull()
    pair = pair.mutate(
        choice=ibis.cases((dated & begun & lasting, 0), (~dated, 1), else_=2),
        newest=pair.starts_at.epoch_seconds().fill_null(0),
        place=ibis.cases(*((pair.payer == name, number) for number, name in enumerate(order)), else_=len(order)),
    )
    pair = pair.mutate(newest=ibis.ifelse(pair.choice == 2, -pair.newest, 0))
    first = ibis.row_number().over(ibis.window(group_by="sequence", order_by=["choice", "newest", "place"]))
    return pair.mutate(first=first).filter(lambda t: t["first"] == 0).select("sequence", "payer")
