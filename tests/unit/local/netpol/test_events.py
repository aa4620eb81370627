"""Events about policies that are not enforced as they are written."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from local.netpol.events import REPEAT_SECONDS, Events, event
from local.netpol.model import Direction, Json, Policy, Selector

CLOSED = Policy("n" * 63, "p" * 253, Selector(), dict.fromkeys(Direction, ()), "uid", "the protocol is unknown")


class Recorder:
    """Keeps what is written, or refuses it."""

    def __init__(self, status: int | Exception = 201) -> None:
        self.status = status
        self.written: list[tuple[str, Json]] = []

    def create(self, path: str, document: Json) -> int:
        self.written.append((path, document))
        if isinstance(self.status, Exception):
            raise self.status
        return self.status


def test_an_event_names_the_policy_and_what_happens_to_its_pods() -> None:
    made = event(CLOSED, datetime(2026, 1, 2, tzinfo=UTC))
    assert made["involvedObject"]["name"] == CLOSED.name
    assert made["message"] == (
        "the protocol is unknown; the pods that it selects are denied all Ingress and Egress traffic"
    )
    assert len(made["metadata"]["name"]) < 60
    assert len(event(replace(CLOSED, problem="x" * 5000), datetime(2026, 1, 2, tzinfo=UTC))["message"]) == 1024


def test_what_holds_is_written_once_and_again_before_the_server_forgets_it() -> None:
    recorder, now = Recorder(), [0.0]
    events = Events(recorder, print, lambda: now[0])
    for moment in (0.0, 5.0, REPEAT_SECONDS):
        now[0] = moment
        events.note([CLOSED])
    events.note([])
    events.note([CLOSED])
    for _ in range(3):
        events.write_next()
    assert {path for path, _ in recorder.written} == {f"/api/v1/namespaces/{CLOSED.namespace}/events"}
    assert events.pending() == 0


@pytest.mark.parametrize("answer", [403, ConnectionError("no")])
def test_an_event_that_is_not_written_is_reported_and_stops_nothing(answer: int | Exception) -> None:
    said: list[str] = []
    events = Events(Recorder(answer), said.append)
    events.note([CLOSED])
    events.write_next()
    assert len(said) == 1
