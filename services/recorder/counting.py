"""Counts of what each Envoy process of the gateway logged for the recorder, put on record beside the refusals.

The gateway's own counters say how many entries it logged or dropped, so a verifier of the chain sees when a refusal is
missing (``services/audit/refusals.py``), also one that the recorder never received.
"""

import ipaddress
import logging
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event
from uuid import uuid4

import httpx

from services.audit.errors import NotRecordedError
from services.audit.http import Recorder
from services.audit.records import AuditEntry, GatewayProcess
from services.audit.refusals import COUNT, LATEST_COUNT, SAME_START

INTERVAL_SECONDS = 30.0
"""Seconds between counts; a count that did not change is on record once an hour."""
UNCHANGED = LATEST_COUNT / 2
TIMEOUT_SECONDS = 5.0

_METRICS = {
    "written": "envoy_access_logs_open_telemetry_access_log_logs_written",
    "dropped": "envoy_access_logs_open_telemetry_access_log_logs_dropped",
    "uptime": "envoy_server_uptime",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """The counters of one Envoy process at a time."""

    at: datetime
    started: datetime
    logged: int
    dropped: int


def instance(address: str) -> str:
    """Return the name of a gateway's pod in records: its address, as a code."""
    return re.sub("[.:]", "-", ipaddress.ip_address(address).exploded)


def read_sample(metrics: str, at: datetime) -> Sample | None:
    """Return the counters in Envoy's metrics (Prometheus text format), or None if one is missing.

    Envoy has the counters of a logger from its first entry on: before, they are zero.
    """
    values: dict[str, int] = {}
    for name, metric in _METRICS.items():
        match = re.search(rf"^{metric}(?:\{{[^}}]*\}})? ([0-9]+)(?:\s|$)", metrics, re.MULTILINE)
        if match is not None:
            values[name] = int(match[1])
    if "uptime" not in values:
        return None
    written, dropped = values.get("written", 0), values.get("dropped", 0)
    return Sample(at, at - timedelta(seconds=values["uptime"]), written + dropped, dropped)


def addresses(host: str, port: int) -> list[str]:
    """Return the addresses that a name has."""
    resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(item[4][0]) for item in resolved})


@dataclass
class Counting:
    """Puts the counters of the gateway's Envoy processes on record.

    Parameters
    ----------
    recorder
        Appends the records.
    metrics
        Host and port of the metrics.
    resolve
        Returns the addresses of a host and port.
    """

    recorder: Recorder
    metrics: str
    resolve: Callable[[str, int], list[str]] = addresses
    _pending: dict[str, Sample] = field(default_factory=dict)
    _recorded: dict[str, Sample] = field(default_factory=dict)

    def run(self, stop: Event, interval: float = INTERVAL_SECONDS) -> None:
        """Count until it is stopped."""
        while not stop.is_set():
            try:
                self.round()
            except NotRecordedError as fault:
                log.error("%s", fault)
            stop.wait(interval)

    def round(self) -> None:
        """Record the counters of the round before, whose entries have arrived since, and read the new ones.

        Raises
        ------
        NotRecordedError
            If a count is not on record; the next round tries again.
        """
        for name, sample in sorted(self._pending.items()):
            if self._changed(name, sample):
                self.recorder.append(self._entry(name, sample))
                self._recorded[name] = sample
            del self._pending[name]
        self._pending = dict(self._samples())

    def _changed(self, name: str, sample: Sample) -> bool:
        before = self._recorded.get(name)
        return (
            before is None
            or sample.at - before.at >= UNCHANGED
            or abs(sample.started - before.started) > SAME_START
            or (sample.logged, sample.dropped) != (before.logged, before.dropped)
        )

    def _samples(self) -> Mapping[str, Sample]:
        host, _, port = self.metrics.rpartition(":")
        samples: dict[str, Sample] = {}
        try:
            pods = self.resolve(host, int(port))
        except OSError:
            log.warning("The gateway's metrics at %s have no address; check its Service.", self.metrics)
            return samples
        for address in pods:
            literal = f"[{address}]" if ":" in address else address
            try:
                answer = httpx.get(
                    f"http://{literal}:{port}/stats/prometheus", timeout=TIMEOUT_SECONDS, trust_env=False
                ).raise_for_status()
            except httpx.HTTPError as fault:
                log.warning("The metrics of the gateway at %s cannot be read: %s", address, type(fault).__name__)
                continue
            sample = read_sample(answer.text, self.recorder.clock())
            if sample is None:
                log.warning("The metrics of the gateway at %s have no counters; check its version.", address)
                continue
            samples[instance(address)] = sample
        return samples

    def _entry(self, name: str, sample: Sample) -> AuditEntry:
        return AuditEntry(
            request_id=uuid4(),
            occurred_at=sample.at,
            service="gateway",
            route="/count",
            hospital=self.recorder.hospital,
            caller=f"{self.recorder.hospital}-gateway",
            outcome="answered",
            status=200,
            action=COUNT,
            gateway=GatewayProcess(instance=name, started=sample.started, logged=sample.logged, dropped=sample.dropped),
        )
