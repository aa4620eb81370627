"""Completeness of the gateway's refusals: its own counts in the chain against their records.

A count says how many entries an Envoy process had logged at a time. Every one of them has a record by then, or a few
seconds later; what has none is missing: it was dropped by the gateway, or never reached the recorder or the chain.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.audit.configuration import START
from services.audit.records import AuditEntry, Record, timestamp

COUNT = "gateway-count"
"""Action of a record with a count."""
ARRIVAL = timedelta(seconds=5)
"""How long after a count an entry that it includes can be recorded."""
SAME_START = timedelta(seconds=30)
"""Envoy updates its uptime every few seconds, so two readings of one start differ."""
START_ERROR = timedelta(seconds=10)
LATEST_COUNT = timedelta(hours=2)
"""A longer time without a count is one in which nobody counted."""


@dataclass
class _Process:
    """An Envoy process: the last count, and the records of its entries until then."""

    started: datetime
    logged: int = 0
    dropped: int = 0
    recorded: int = 0
    counted_at: datetime | None = None


@dataclass
class Refusals:
    """Reads records in the order of the chain; then :meth:`notices` says what is missing."""

    _processes: dict[str, list[_Process]] = field(default_factory=lambda: defaultdict(list))
    # Records of refusals that no count includes yet, by instance: time of the request, and of the record.
    _waiting: dict[str, list[tuple[datetime, datetime]]] = field(default_factory=lambda: defaultdict(list))
    _last: datetime | None = None
    _gaps: list[tuple[datetime, datetime]] = field(default_factory=list)

    def read(self, record: Record, entry: AuditEntry) -> None:
        """Take the next record."""
        if entry.service != "gateway":
            return
        if entry.action in (COUNT, START):
            self._counted(entry.occurred_at)
        if entry.gateway is None:
            return
        if entry.action == COUNT:
            self._count(entry)
        else:
            self._waiting[entry.gateway.instance].append((entry.occurred_at, record.recorded_at))

    def _counted(self, at: datetime) -> None:
        if self._last is not None and at - self._last > LATEST_COUNT:
            self._gaps.append((self._last, at))
        self._last = at if self._last is None else max(self._last, at)

    def _count(self, entry: AuditEntry) -> None:
        count = entry.gateway
        if count is None or count.started is None or count.logged is None:
            return
        process = self._process(count.instance, count.started)
        process.logged, process.dropped = count.logged, count.dropped or 0
        process.counted_at = entry.occurred_at
        later = []
        for occurred_at, recorded_at in self._waiting[count.instance]:
            if recorded_at > entry.occurred_at + ARRIVAL:
                later.append((occurred_at, recorded_at))
            elif occurred_at >= process.started - START_ERROR:
                process.recorded += 1
        self._waiting[count.instance] = later

    def _process(self, instance: str, started: datetime) -> _Process:
        known = self._processes[instance]
        if not known or abs(known[-1].started - started) > SAME_START:
            known.append(_Process(started))
        return known[-1]

    @property
    def missing(self) -> int:
        """How many refusals were logged and are not on record."""
        return sum(max(0, one.logged - one.recorded) for known in self._processes.values() for one in known)

    def notices(self, now: datetime) -> list[str]:
        """Return one sentence for each Envoy process with missing refusals, and for each time without counts.

        Parameters
        ----------
        now
            The time, to see whether somebody still counts.
        """
        found = [
            f"The gateway at {instance} that started at {timestamp(one.started)} logged {one.logged} refusals, and "
            f"{one.recorded} are on record: {one.logged - one.recorded} missing, {one.dropped} of them dropped by it."
            for instance, known in sorted(self._processes.items())
            for one in known
            if one.logged > one.recorded
        ]
        gaps = [*self._gaps]
        if self._last is not None and now - self._last > LATEST_COUNT:
            gaps.append((self._last, now))
        found += [
            f"Nobody counted the gateway's refusals from {timestamp(start)} to {timestamp(end)}; check the recorder."
            for start, end in gaps
        ]
        return found
