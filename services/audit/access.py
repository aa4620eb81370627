"""Access review: who used the service in a time, for what, and where it was refused (45 CFR 164.308(a)(1)(ii)(D))."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from services.audit.records import Record

BREAK_GLASS = "break-glass"


@dataclass
class CallerAccess:
    """Accesses of one caller in a role.

    Parameters
    ----------
    caller, role
        Who.
    requests, refused
        Number of requests, and of those that were refused.
    encounters
        Encounters that were shown to them.
    purposes, actions
        Number of requests of each purpose of use, and of each action.
    first, last
        Times of the first and the last request.
    break_glass
        Records in which they opened a patient by break-glass, with the coded reason.
    """

    caller: str
    role: str | None
    first: datetime
    last: datetime
    requests: int = 0
    refused: int = 0
    encounters: set[str] = field(default_factory=set)
    purposes: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    break_glass: list[tuple[int, str | None]] = field(default_factory=list)


def review(records: Iterable[Record]) -> list[CallerAccess]:
    """Return what each caller did, in the order of the number of encounters that they saw.

    Parameters
    ----------
    records : iterable of Record
        The records of the time that is reviewed.
    """
    found: dict[tuple[str, str | None], CallerAccess] = {}
    for record in records:
        entry = record.entry
        key = (entry.caller, entry.caller_role)
        access = found.setdefault(key, CallerAccess(*key, first=entry.occurred_at, last=entry.occurred_at))
        access.requests += 1
        access.first, access.last = min(access.first, entry.occurred_at), max(access.last, entry.occurred_at)
        if entry.outcome == "refused":
            access.refused += 1
        else:
            access.encounters |= entry.all_encounters()
        access.purposes[entry.purpose or "none"] += 1
        if entry.action:
            access.actions[entry.action] += 1
        if entry.action == BREAK_GLASS:
            access.break_glass.append((record.sequence, entry.detail))
    return sorted(found.values(), key=lambda access: (-len(access.encounters), access.caller, access.role or ""))
