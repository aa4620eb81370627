"""Clients of the clinical path that ask all the time, and note what they got."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx

from model.features.feature_file import load as load_features
from services.audit.http import HEADER
from tests.support.care.clinical_path import CARE, GATEWAY, HOOK_PATH, ClinicalPath
from tests.support.model.model_world import world
from tests.support.serving.load import Clients

PATIENCE_SECONDS = 90.0
"""How long a client waits until something is as a test expects it."""
PAUSE_SECONDS = 0.02
"""Between two requests of a client, so that a refused connection is not tried thousands of times."""
PLANNING, HOOK, WORKLIST = "planning", "hook", "worklist"
USE = {"workflow": "discharge-worklist", "purpose": "TREAT"}
GOOD = frozenset({"scored", "card with a score", "worklist"})
"""What clients get while nothing is wrong."""


@dataclass(frozen=True)
class Attempt:
    """One request of a client.

    Parameters
    ----------
    client
        Which client.
    request_id
        Its ``X-Request-Id``.
    started, ended
        By the monotonic clock.
    outcome
        What came of it, in words.
    record
        The record that the answer names.
    status
        The status of the answer; 0 without one.
    value
        What the answer says about the patient, to be compared with the right one.
    """

    client: str
    request_id: UUID
    started: float
    ended: float
    outcome: str
    record: int | None
    status: int
    value: str = ""


class Load(Clients[Attempt]):
    """The clients of a clinical path.

    Parameters
    ----------
    path : ClinicalPath
        What they ask.
    clients : tuple of str
        Which of them ask.
    """

    def __init__(self, path: ClinicalPath, clients: tuple[str, ...] = (PLANNING, HOOK, WORKLIST)) -> None:
        self.path, self.clients = path, clients
        self.discharge = path.discharge  # computed once, before threads ask for it
        ask = {PLANNING: self._planning, HOOK: self._hook, WORKLIST: self._worklist}
        super().__init__(
            {name: partial(self._attempt, name, ask[name]) for name in clients},
            pause_seconds=PAUSE_SECONDS,
            patience_seconds=PATIENCE_SECONDS,
        )

    def wait_for_each(self, after: float, outcomes: Iterable[str] | None = None, times: int = 1) -> None:
        """Wait until each client had attempts that began after a moment, with one of some outcomes where given."""
        wanted = None if outcomes is None else frozenset(outcomes)

        def enough(attempts: list[Attempt]) -> bool:
            found = [one for one in attempts if one.started >= after and (wanted is None or one.outcome in wanted)]
            return all(sum(one.client == name for one in found) >= times for name in self.clients)

        self.wait(enough)

    def _attempt(self, name: str, ask: Callable[[httpx.Client, dict[str, str]], httpx.Response]) -> Attempt:
        identity, started = uuid4(), time.monotonic()
        service, account = (self.path.planning, CARE) if name == PLANNING else (self.path.care, GATEWAY)
        try:
            with service.client(self.path.certificates[account], timeout=20) as client:
                answer = ask(client, {"X-Request-Id": str(identity)})
        except (httpx.HTTPError, OSError) as fault:
            outcome = "no answer in time" if isinstance(fault, httpx.TimeoutException) else "no connection"
            return Attempt(name, identity, started, time.monotonic(), outcome, None, 0)
        record = answer.headers.get(HEADER)
        outcome, value = said(name, answer)
        ended = time.monotonic()
        return Attempt(
            name, identity, started, ended, outcome, int(record) if record else None, answer.status_code, value
        )

    def _planning(self, client: httpx.Client, headers: dict[str, str]) -> httpx.Response:
        return client.post("/v1/scores", json=scores(), headers=headers)

    def _hook(self, client: httpx.Client, headers: dict[str, str]) -> httpx.Response:
        headers = headers | {"Authorization": f"Bearer {self.path.token()}"}
        return client.post(HOOK_PATH, json=self.discharge | {"hookInstance": str(uuid4())}, headers=headers)

    def _worklist(self, client: httpx.Client, headers: dict[str, str]) -> httpx.Response:
        return client.get("/worklist", headers=headers | {"Authorization": f"Bearer {self.path.sign_in()}"})


_ROWS: list[dict[str, Any]] = []


def scores() -> dict[str, Any]:
    """Return a request for the score of an encounter that has online features."""
    if not _ROWS:
        table, _ = load_features(str(world().features))
        _ROWS.append(table.slice(0, 1).to_pylist()[0])
    row = _ROWS[0]
    return USE | {"encounters": [{"encounter": row["index_id"], "patient": row["patient_id"]}]}


def said(client: str, answer: httpx.Response) -> tuple[str, str]:
    """Return what an answer says, in words, and what it says about the patient."""
    kind = answer.headers.get("content-type", "")
    if answer.status_code != httpx.codes.OK:
        title = answer.json()["title"] if kind.endswith("json") else ""
        return f"{answer.status_code} {title}".strip(), ""
    if client == PLANNING:
        [score] = answer.json()["scores"]
        if score["status"] == "scored":
            return "scored", repr(score["risk"])
        reason = score.get("fallback_reason") or score.get("not_scored_reason")
        return f"{score['status']}: {reason}", str(score.get("lace", ""))
    if client == HOOK:
        summary = answer.json()["cards"][0]["summary"]
        ranked = summary.startswith("No model score, ranked by LACE")
        scored = summary.startswith("Readmission within")
        return ("card ranked by LACE" if ranked else "card with a score" if scored else "card without a score"), (
            summary.partition(":")[0] if ranked else summary
        )
    return ("worklist" if "MRN" in answer.text else "worklist without names"), ""
