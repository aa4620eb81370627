"""The gateway's counts against its records: a missing refusal is seen, and none is where there is none."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from services.audit.configuration import START as STARTED
from services.audit.records import GatewayProcess
from services.audit.refusals import COUNT, Refusals
from tests.support.audit.audit_chain import START, link
from tests.support.audit.audit_records import entry

POD = "10-0-0-7"


class Gateway:
    """The records of a gateway's recorder, and what the verification says."""

    def __init__(self) -> None:
        self.refusals, self.number = Refusals(), 0

    def _read(self, at: datetime, **fields: Any) -> None:
        made = entry(service="gateway", occurred_at=at, **fields)
        [record] = link([made.canonical()])
        self.number += 1
        self.refusals.read(replace(record, sequence=self.number, recorded_at=at), made)

    def refused(self, at: datetime, pod: str = POD) -> None:
        self._read(at, outcome="refused", status=401, gateway=GatewayProcess(instance=pod))

    def counted(self, at: datetime, logged: int, started: datetime = START, dropped: int = 0) -> None:
        process = GatewayProcess(instance=POD, started=started, logged=logged, dropped=dropped)
        self._read(at, action=COUNT, gateway=process)

    def started(self, at: datetime) -> None:
        self._read(at, action=STARTED)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_records_that_agree_with_the_counts_are_complete() -> None:
    gateway = Gateway()
    gateway.refused(after(1))
    gateway.counted(after(30), 1)
    gateway.refused(after(31))
    gateway.counted(after(60), 2)
    assert (gateway.refusals.missing, gateway.refusals.notices(after(61))) == (0, [])


def test_a_refusal_without_a_record_is_missing() -> None:
    gateway = Gateway()
    gateway.refused(after(1))
    gateway.counted(after(30), 3, dropped=1)
    assert gateway.refusals.missing == 2
    [notice] = gateway.refusals.notices(after(31))
    assert "logged 3 refusals, and 1 are on record: 2 missing, 1 of them dropped" in notice


def test_later_refusals_do_not_hide_a_missing_one() -> None:
    gateway = Gateway()
    gateway.refused(after(40))
    gateway.counted(after(30), 1)
    assert gateway.refusals.missing == 1


def test_records_of_another_pod_do_not_count() -> None:
    gateway = Gateway()
    gateway.refused(after(1), "10-0-0-8")
    gateway.counted(after(30), 1)
    assert gateway.refusals.missing == 1


def test_a_restarted_envoy_counts_from_zero() -> None:
    gateway = Gateway()
    gateway.refused(after(1))
    gateway.counted(after(30), 1)
    gateway.refused(after(130))
    gateway.counted(after(160), 1, started=after(100))
    # Uptime is updated every few seconds, so the start is not the same at each reading.
    gateway.counted(after(190), 2, started=after(103))
    assert gateway.refusals.missing == 1


def test_a_time_without_counts_is_named() -> None:
    gateway = Gateway()
    gateway.counted(after(30), 0)
    gateway.started(after(30 + 3 * 3600))
    assert len(gateway.refusals.notices(after(31 + 3 * 3600))) == 1
    assert len(gateway.refusals.notices(after(6 * 3600))) == 2


def test_a_hospital_without_a_recorder_has_no_notices() -> None:
    refusals = Refusals()
    made = entry()
    [record] = link([made.canonical()])
    refusals.read(record, made)
    assert refusals.notices(after(10**7)) == []
