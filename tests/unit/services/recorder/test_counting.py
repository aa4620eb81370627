"""Envoy's counters are read from its metrics, and are on record when they changed or an hour has passed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest

from services.audit.records import AuditEntry
from services.recorder.counting import Counting, instance, read_sample

AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
WRITTEN = "envoy_access_logs_open_telemetry_access_log_logs_written"
DROPPED = "envoy_access_logs_open_telemetry_access_log_logs_dropped"


def metrics(written: int, dropped: int, uptime: int) -> str:
    return f"# TYPE x counter\n{WRITTEN}{{}} {written}\n{DROPPED}{{}} {dropped}\nenvoy_server_uptime{{}} {uptime}\n"


@dataclass
class Appended:
    """What the recorder does for counting: a clock, and records."""

    hospital: str = "north"
    now: datetime = AT
    entries: list[AuditEntry] = field(default_factory=list)

    def clock(self) -> datetime:
        return self.now

    def append(self, entry: AuditEntry) -> None:
        self.entries.append(entry)


@contextmanager
def envoy(pages: list[str]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(pages[0].encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def test_dropped_entries_count_as_logged() -> None:
    sample = read_sample(metrics(30, 4, 60), AT)
    assert sample is not None
    assert (sample.logged, sample.dropped, sample.started) == (34, 4, AT - timedelta(seconds=60))


def test_metrics_of_another_program_are_no_sample() -> None:
    assert read_sample("python_info 1\n", AT) is None


@pytest.mark.parametrize(("address", "name"), [("10.0.0.7", "10-0-0-7"), ("::1", "0000-" * 7 + "0001")])
def test_a_pod_is_named_by_its_address(address: str, name: str) -> None:
    assert instance(address) == name


@pytest.mark.process
def test_a_count_is_on_record_when_it_changed_or_an_hour_passed() -> None:
    pages, appended = [metrics(1, 0, 60)], Appended()
    with envoy(pages) as port:
        counting = Counting(cast(Any, appended), f"127.0.0.1:{port}")
        for _ in range(3):
            counting.round()
        assert [entry.gateway.logged for entry in appended.entries if entry.gateway] == [1]
        pages[0] = metrics(2, 1, 60)
        counting.round()
        counting.round()
        appended.now += timedelta(hours=1)
        pages[0] = metrics(2, 1, 3660)
        counting.round()
        counting.round()
    assert [entry.gateway.logged for entry in appended.entries if entry.gateway] == [1, 3, 3]


def test_without_an_address_nothing_is_counted() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError(host, port)

    appended = Appended()
    counting = Counting(cast(Any, appended), "gateway.invalid:19001", unknown)
    counting.round()
    counting.round()
    assert appended.entries == []
