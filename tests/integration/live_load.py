"""Clients of a hospital's gateway that ask all the time: its EHR calls the hook, its program asks for scores."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from local.hospitals.patient_record import Stay
from services.audit.http import HEADER
from tests.integration.clinic import Clinic, Json
from tests.integration.gateway_callers import Callers

HOOK, SCORES = "hook", "scores"
ROUTES = {HOOK: "POST /cds-services/readmission-risk", SCORES: "POST /v1/scores"}
PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 0.3
"""Between two requests of a client: below the rate that the gateway allows."""
TOKEN_SECONDS = 60.0
"""How long a program uses a token: shorter than it lives."""


@dataclass(frozen=True)
class Attempt:
    """A request of a client.

    Parameters
    ----------
    client
        Which client.
    started, ended
        By the monotonic clock.
    status
        Status of the answer; 0 without one.
    record
        The audit record that the answer names; None for an answer of the gateway itself.
    value
        What the answer says: the card's summary, or the scores' states.
    """

    client: str
    started: float
    ended: float
    status: int
    record: int | None
    value: str


@dataclass
class LiveLoad:
    """The clients; each in a thread of its own until the context ends.

    Parameters
    ----------
    clinic, callers
        The hospital, and those who call its gateway.
    stay
        The stay that the EHR asks about.
    """

    clinic: Clinic
    callers: Callers
    stay: Stay
    attempts: list[Attempt] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "LiveLoad":
        self._prefetch = self.clinic.prefetch(self.stay)
        self._token, self._until = "", 0.0
        self._threads = [
            threading.Thread(target=self._run, args=one) for one in ((HOOK, self._hook), (SCORES, self._scores))
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait(self, after: float, times: int = 1) -> None:
        """Wait until each client had answers to requests that it sent after a moment."""
        with self._changed:
            met = self._changed.wait_for(
                lambda: all(len(self.answered(name, after)) >= times for name in ROUTES), PATIENCE_SECONDS
            )
        assert met, [(one.client, one.status, one.value) for one in self.attempts[-8:]]

    def answered(self, client: str, after: float) -> list[Attempt]:
        """Return the good answers of a client to requests that it sent after a moment."""
        return [one for one in self.attempts if one.client == client and one.started >= after and one.status == 200]

    def _run(self, name: str, ask: Callable[[], httpx.Response]) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                answer = ask()
            except httpx.HTTPError:
                attempt = Attempt(name, started, time.monotonic(), 0, None, "")
            else:
                record = answer.headers.get(HEADER)
                value = said(name, answer) if answer.status_code == httpx.codes.OK else answer.text[:200]
                ended = time.monotonic()
                attempt = Attempt(name, started, ended, answer.status_code, int(record) if record else None, value)
            with self._changed:
                self.attempts.append(attempt)
                self._changed.notify_all()
            self._stop.wait(PAUSE_SECONDS)

    def _hook(self) -> httpx.Response:
        return self.clinic.call(self.stay, self._prefetch)

    def _scores(self) -> httpx.Response:
        if time.monotonic() > self._until:
            self._token = self.callers.program.access_token("readmission.scores")
            self._until = time.monotonic() + TOKEN_SECONDS
        return self.callers.score(self._token)


def said(client: str, answer: httpx.Response) -> str:
    """Return what an answer says."""
    content: Json = answer.json()
    if client == HOOK:
        return "; ".join(str(card["summary"]) for card in content["cards"])
    return "; ".join(str(score["status"]) for score in content["scores"])


def unrecorded(clinic: Clinic, attempts: list[Attempt], after: int) -> list[str]:
    """Return the answers of services that have no audit record of their own, or another one than the answer.

    Parameters
    ----------
    after
        The newest record before the attempts.
    """
    query = "SELECT sequence, entry FROM audit.records WHERE sequence > %s"
    records = {int(row["sequence"]): json.loads(row["entry"]) for row in clinic.rows("audit", query, after)}
    found: list[str] = []
    used: set[int] = set()
    for one in attempts:
        if one.record is None:
            continue
        record = records.get(one.record)
        if record is None or one.record in used:
            found.append(f"{one.client}: {one.status} has no record of its own")
        elif (record["route"], record["status"]) != (ROUTES[one.client], one.status):
            found.append(f"{one.client}: {one.status} has the record of another answer")
        used.add(one.record)
    return found
