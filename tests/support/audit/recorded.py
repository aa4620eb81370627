"""Answers of services that have no audit record of their own."""

from collections.abc import Iterable, Mapping
from typing import Protocol

Record = tuple[str, int]
"""Route and status of an audit record."""


class Answered(Protocol):
    """An answer: which client got it, its status, and the audit record that it names."""

    @property
    def client(self) -> str: ...

    @property
    def status(self) -> int: ...

    @property
    def record(self) -> int | None: ...


def unrecorded(records: Mapping[int, Record], answers: Iterable[Answered], routes: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the records of answers that name one.

    Parameters
    ----------
    records
        The audit records, by number.
    answers
        The answers; those without a record are a gateway's own, and are not checked.
    routes
        The route of each client's records.
    """
    found: list[str] = []
    used: set[int] = set()
    for one in answers:
        if one.record is None:
            continue
        record = records.get(one.record)
        if record is None or one.record in used:
            found.append(f"{one.client}: {one.status} has no record of its own")
        elif record != (routes[one.client], one.status):
            found.append(f"{one.client}: {one.status} has the record of another answer")
        used.add(one.record)
    return found
