"""Kubernetes Events for NetworkPolicies that cannot be enforced as written."""

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

from local.netpol.model import Json, Policy

REASON = "PolicyNotEnforced"
COMPONENT = "hmlops-netpol"
# The API server keeps an event for an hour; it is repeated before that while the problem persists.
REPEAT_SECONDS = 1800.0
_LONGEST = 1024


class Recorder(Protocol):
    """Writer of events."""

    def create(self, path: str, document: Json) -> int:
        """Create an object; return the status of the answer."""


def event(policy: Policy, moment: datetime) -> dict[str, Any]:
    """Return the event for a policy whose pods are closed, with the reason."""
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha256(f"{policy.key} {policy.uid} {policy.problem} {stamp}".encode()).hexdigest()[:20]
    directions = " and ".join(direction.value for direction in policy.rules)
    text = f"{policy.problem}; the pods that it selects are denied all {directions} traffic"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        # Not the policy's name, which may already have the maximum length.
        "metadata": {"name": f"networkpolicy-{digest}", "namespace": policy.namespace},
        "involvedObject": {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "namespace": policy.namespace,
            "name": policy.name,
            "uid": policy.uid,
        },
        "type": "Warning",
        "reason": REASON,
        "message": text[:_LONGEST],
        "source": {"component": COMPONENT},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


class Events:
    """Queue of events, written once each in a separate thread, so that enforcement does not wait for the API server.

    Parameters
    ----------
    recorder
        Writer of the events.
    report
        Receives errors.
    clock
        Returns seconds.
    """

    def __init__(
        self, recorder: Recorder, report: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._recorder, self._report, self._clock = recorder, report, clock
        self._said: dict[tuple[str, str, str], float] = {}
        self._waiting: queue.Queue[Policy] = queue.Queue()

    def note(self, closed: Iterable[Policy]) -> None:
        """Record the policies that are closed now; those that are no longer closed are dropped."""
        now = self._clock()
        keyed = {("/".join(policy.key), policy.uid, policy.problem): policy for policy in closed}
        for key, policy in keyed.items():
            if now - self._said.get(key, -REPEAT_SECONDS) >= REPEAT_SECONDS:
                self._said[key] = now
                self._waiting.put(policy)
        self._said = {key: when for key, when in self._said.items() if key in keyed}

    def pending(self) -> int:
        """Return the number of queued events."""
        return self._waiting.qsize()

    def write_next(self) -> None:
        """Write the next event, waiting for one."""
        policy = self._waiting.get()
        try:
            status = self._recorder.create(f"/api/v1/namespaces/{policy.namespace}/events", event(policy, _now()))
            if status >= 300:
                self._report(f"the event about {'/'.join(policy.key)} was refused: the API server answered {status}")
        except Exception as error:  # events are optional: enforcement continues without them
            self._report(f"the event about {'/'.join(policy.key)} was not written: {type(error).__name__}")

    def follow(self, stop: threading.Event) -> None:
        """Write queued events until stopped."""
        while not stop.is_set():
            self.write_next()


def _now() -> datetime:
    return datetime.now(UTC)
