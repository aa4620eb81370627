"""Clients of a hospital's gateway that ask all the time: its EHR, its program, and one without a token."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import httpx

from local.hospitals.patient_record import Stay
from services.audit.http import HEADER
from tests.integration.care.clinic import Clinic, Json
from tests.integration.gateway.gateway_callers import NOBODY, Callers
from tests.support.audit import recorded
from tests.support.serving.load import Clients

HOOK, SCORES, DISCOVERY, REFUSED = "hook", "scores", "discovery", "refused"
ROUTES = {
    HOOK: "POST /cds-services/readmission-risk",
    SCORES: "POST /v1/scores",
    DISCOVERY: "GET /cds-services",
}
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
        What the answer says: the card's summary, or the scores' states; without one, the fault.
    """

    client: str
    started: float
    ended: float
    status: int
    record: int | None
    value: str

    @property
    def expected(self) -> bool:
        """Whether the status is the one that the client asks for."""
        return self.status == (httpx.codes.UNAUTHORIZED if self.client == REFUSED else httpx.codes.OK)


class LiveLoad(Clients[Attempt]):
    """The clients.

    Parameters
    ----------
    clinic, callers
        The hospital, and those who call its gateway.
    stay
        The stay that the EHR asks about.
    clients
        Which of the clients ask.
    wanted
        The encounter whose score the program asks for.
    card_pause_seconds
        Between two cards of the EHR, each of which takes care seconds of processor time.
    """

    def __init__(
        self,
        clinic: Clinic,
        callers: Callers,
        stay: Stay,
        clients: tuple[str, ...] = (HOOK, SCORES),
        wanted: Mapping[str, str] = NOBODY,
        card_pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self.clinic, self.callers, self.stay, self.clients = clinic, callers, stay, clients
        self._wanted, self._prefetch = wanted, clinic.prefetch(stay)
        self._token, self._until = "", 0.0
        ask = {HOOK: self._hook, SCORES: self._scores, DISCOVERY: self._discovery, REFUSED: self._without_token}
        super().__init__(
            {name: partial(_attempt, name, ask[name]) for name in clients},
            pause_seconds=PAUSE_SECONDS,
            patience_seconds=PATIENCE_SECONDS,
            pauses={HOOK: card_pause_seconds},
        )

    def wait_for_each(self, after: float, times: int = 1) -> None:
        """Wait until each client had the answers that it expects to requests that it sent after a moment."""
        self.wait(lambda _: all(len(self.answered(name, after)) >= times for name in self.clients))

    def answered(self, client: str, after: float) -> list[Attempt]:
        """Return the expected answers of a client to requests that it sent after a moment."""
        return [one for one in self.attempts if one.client == client and one.started >= after and one.expected]

    def _hook(self) -> httpx.Response:
        return self.clinic.call(self.stay, self._prefetch)

    def _scores(self) -> httpx.Response:
        if time.monotonic() > self._until:
            self._token = self.callers.program.access_token("readmission.scores")
            self._until = time.monotonic() + TOKEN_SECONDS
        return self.callers.score(self._token, wanted=self._wanted)

    def _discovery(self) -> httpx.Response:
        return self.callers.discover(self.callers.hook_token())

    def _without_token(self) -> httpx.Response:
        return self.callers.discover("")


def _attempt(name: str, ask: Callable[[], httpx.Response]) -> Attempt:
    started = time.monotonic()
    try:
        answer = ask()
    except httpx.HTTPError as fault:
        return Attempt(name, started, time.monotonic(), 0, None, type(fault).__name__)
    record = answer.headers.get(HEADER)
    value = said(name, answer) if answer.status_code == httpx.codes.OK else answer.text[:200]
    return Attempt(name, started, time.monotonic(), answer.status_code, int(record) if record else None, value)


def said(client: str, answer: httpx.Response) -> str:
    """Return what an answer says."""
    content: Json = answer.json()
    if client == DISCOVERY:
        return "; ".join(str(service["id"]) for service in content["services"])
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
    entries = {int(row["sequence"]): json.loads(row["entry"]) for row in clinic.rows("audit", query, after)}
    records = {number: (str(entry["route"]), int(entry["status"])) for number, entry in entries.items()}
    return recorded.unrecorded(records, attempts, ROUTES)
