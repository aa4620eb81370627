"""Changes between two times, from the records: releases, thresholds and configuration."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from services.audit.records import AuditEntry, Record

_OF_RELEASE = ("version", "digest", "preprocessing", "threshold", "schema_version")


@dataclass(frozen=True)
class Change:
    """A value that differs from the one on record before.

    Parameters
    ----------
    sequence, at
        The first record with the new value, and its time.
    subject
        Of what: ``release planning discharge-worklist readmission-risk-v1``, ``configuration care settings``.
    name
        Which value: version, digest, preprocessing, threshold, schema_version.
    before, after
        The values; ``before`` is None if there was none.
    by
        Who changed it, where the record says so.
    """

    sequence: int
    at: datetime
    subject: str
    name: str
    before: str | None
    after: str | None
    by: str | None


@dataclass(frozen=True)
class _Value:
    subject: str
    name: str
    value: str | None
    by: str | None = None


def changes(records: Iterable[Record], since: datetime, until: datetime) -> Iterator[Change]:
    """Yield the changes between two times.

    Parameters
    ----------
    records : iterable of Record
        All records until then, from the start of the chain: the value before a change may be old.
    since, until : datetime
        Changes recorded from the one time on, and before the other.
    """
    known: dict[tuple[str, str], str | None] = {}
    for record in records:
        if record.recorded_at >= until:
            return
        for item in _values(record.entry):
            key = (item.subject, item.name)
            before = known.get(key)
            if key in known and before == item.value:
                continue
            if record.recorded_at >= since and not (key not in known and item.value is None):
                yield Change(record.sequence, record.recorded_at, *key, before, item.value, item.by)
            known[key] = item.value


def _values(entry: AuditEntry) -> Iterator[_Value]:
    for release in entry.releases():
        subject = f"release {entry.service} {entry.workflow or entry.action} {release.model}"
        by = entry.caller if entry.configuration else None
        for name in _OF_RELEASE:
            value = getattr(release, name)
            yield _Value(subject, name, None if value is None else str(value), by)
    for part in entry.configuration:
        yield _Value(f"configuration {entry.service} {part.component}", "digest", part.digest, part.changed_by)
