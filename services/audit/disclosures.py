"""Accounting of disclosures of a patient's data (45 CFR 164.528): to whom, when, what, and for which purpose."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from services.audit.records import AuditEntry, Record

TABLE = Path(__file__).with_name("disclosures.yaml")
YEARS = 6
"""Years before the request that an accounting covers: 164.528(a)(3)."""


class PurposeRule(BaseModel):
    """Rule of a purpose of use: whether its disclosures are accounted for, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accounted: bool
    why: str


@dataclass(frozen=True)
class Disclosure:
    """Disclosures of one kind to one recipient for one purpose: 164.528(b)(2), and (b)(3) for repeated ones.

    Parameters
    ----------
    recipient
        Who received them.
    content
        Brief description of what was disclosed.
    purpose, basis
        The purpose of use, and the rule that applies to it.
    accounted
        Whether the accounting lists it.
    first, last, count
        Times of the first and the last disclosure, and how many there were.
    records
        Sequences of the records.
    """

    recipient: str
    content: str
    purpose: str | None
    basis: str
    accounted: bool
    first: datetime
    last: datetime
    count: int
    records: tuple[int, ...]


@cache
def rules() -> dict[str, PurposeRule]:
    """Return the table of purposes."""
    plain = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, PurposeRule]).validate_python(plain)


def accounting(records: Iterable[Record], patient: str, encounters: Iterable[str] = ()) -> list[Disclosure]:
    """Return the disclosures of a patient's data.

    Parameters
    ----------
    records : iterable of Record
        The records of the six years.
    patient : str
        The patient's pseudonym.
    encounters : iterable of str
        Pseudonyms of the patient's encounters, for records that name only those.
    """
    people = {patient, *encounters}
    grouped: dict[tuple[str, str, str | None], list[Record]] = {}
    for record in records:
        entry = record.entry
        if entry.outcome in {"answered", "fallback"} and people & entry.subjects():
            key = (entry.recipient or entry.caller, _content(entry), entry.purpose)
            grouped.setdefault(key, []).append(record)
    found = [_disclosure(key, group) for key, group in grouped.items()]
    return sorted(found, key=lambda item: (not item.accounted, item.first, item.recipient))


def _disclosure(key: tuple[str, str, str | None], group: list[Record]) -> Disclosure:
    recipient, content, purpose = key
    rule = rules().get(purpose or "")
    times = [record.entry.occurred_at for record in group]
    return Disclosure(
        recipient=recipient,
        content=content,
        purpose=purpose,
        basis=rule.why if rule else "a purpose that no rule excludes",
        accounted=rule.accounted if rule else True,
        first=min(times),
        last=max(times),
        count=len(group),
        records=tuple(record.sequence for record in group),
    )


def _content(entry: AuditEntry) -> str:
    """Return what was disclosed, in words that hold nothing of it."""
    if entry.scores:
        return "readmission risk with reasons"
    if entry.action:
        return f"{entry.action} by {entry.service}"
    return f"answer of {entry.service} to {entry.route}"
