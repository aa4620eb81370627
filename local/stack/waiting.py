"""Warning events of the objects that an update waits for, and of their dependent objects.

The provider shows events of the object itself. The reason why an InferenceService is not ready is in events
of a ReplicaSet that exceeds a quota, or of a pod that cannot be scheduled.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from local.errors import UserError
from local.paths import Home
from local.stack import jobs

FIRST_SECONDS = 45
AGAIN_SECONDS = 15
_LINES = 8
_LENGTH = 300

State = Mapping[str, Any]


def waited_for(state: State) -> set[tuple[str, str, str]]:
    """Return kind, namespace and name of the Kubernetes objects with pending or failed operations."""
    deployment = state["deployment"]
    at_work = [operation["resource"] for operation in deployment.get("pending_operations") or []]
    unfinished = [entry for entry in deployment.get("resources") or [] if entry.get("initErrors")]
    objects = set()
    for resource in (*at_work, *unfinished):
        about = resource.get("inputs", {}).get("metadata", {})
        if resource["type"].startswith("kubernetes:") and about.get("namespace") and about.get("name"):
            objects.add((resource["type"].rpartition(":")[2], about["namespace"], about["name"]))
    return objects


def _made_for(api: client.ApiClient, namespace: str, roots: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return kind and name of the given objects of a namespace, and of all objects that they own, also indirectly."""
    apps, batch, core = client.AppsV1Api(api), client.BatchV1Api(api), client.CoreV1Api(api)
    listed: dict[str, Any] = {
        "Deployment": apps.list_namespaced_deployment(namespace),
        "StatefulSet": apps.list_namespaced_stateful_set(namespace),
        "DaemonSet": apps.list_namespaced_daemon_set(namespace),
        "ReplicaSet": apps.list_namespaced_replica_set(namespace),
        "Job": batch.list_namespaced_job(namespace),
        "Pod": core.list_namespaced_pod(namespace),
    }
    owners = {
        (kind, str(item.metadata.name)): {
            (str(owner.kind), str(owner.name)) for owner in item.metadata.owner_references or []
        }
        for kind, objects in listed.items()
        for item in objects.items
    }
    related = set(roots)
    while more := {thing for thing, above in owners.items() if thing not in related and above & related}:
        related |= more
    return related


def _when(event: Any) -> datetime:
    time: datetime = event.last_timestamp or event.event_time or event.metadata.creation_timestamp
    return time


@dataclass(frozen=True)
class Warned:
    """Latest warning event of one object with one reason."""

    subject: str
    reason: str
    text: str
    when: datetime

    def __str__(self) -> str:
        """Return the warning as one line."""
        return f"{self.subject}: {self.reason}: {self.text}"


def _warned(event: Any) -> Warned:
    subject = event.involved_object
    text = " ".join(str(event.message or "").split())[:_LENGTH]
    return Warned(f"{subject.kind} {subject.namespace}/{subject.name}", str(event.reason), text, _when(event))


def warnings(home: Home, state: State, since: datetime) -> list[Warned]:
    """Return the warning events since a time, for the objects waited for and their dependents, oldest first."""
    namespaces: dict[str, set[tuple[str, str]]] = {}
    for kind, namespace, name in waited_for(state):
        namespaces.setdefault(namespace, set()).add((kind, name))
    warnings: list[Warned] = []
    with jobs.connect(home) as api:
        for namespace, roots in namespaces.items():
            mine = _made_for(api, namespace, roots)
            for event in client.CoreV1Api(api).list_namespaced_event(namespace, field_selector="type=Warning").items:
                subject = (str(event.involved_object.kind), str(event.involved_object.name))
                if subject in mine and _when(event) >= since:
                    warnings.append(_warned(event))
    warnings.sort(key=lambda warned: warned.when)
    # Messages that only differ in the pod's name are the same warning: the newest is kept.
    newest = {(warned.subject, warned.reason): warned for warned in warnings}
    return list(newest.values())[-_LINES:]


@contextmanager
def explained(
    home: Home, state: Callable[[], State], say: Callable[[str], None]
) -> Iterator[Callable[[], list[Warned]]]:
    """Context manager that shows the warnings of a long update while it runs, each once.

    Parameters
    ----------
    home
        The environment that is updated.
    state
        Returns the stack's state as it is at that moment.
    say
        Shows a line to the user.

    Yields
    ------
    Callable
        Returns the warnings since the update began.
    """
    began = datetime.now(UTC).replace(microsecond=0)

    def look() -> list[Warned]:
        try:
            return warnings(home, state(), began)
        except (ApiException, HTTPError, OSError, UserError):
            return []  # the update itself reports what does not respond

    ended, shown = threading.Event(), set[tuple[str, str]]()

    def watch() -> None:
        pause = FIRST_SECONDS
        while not ended.wait(pause):
            for warned in look():
                if (warned.subject, warned.reason) not in shown:
                    shown.add((warned.subject, warned.reason))
                    say(f"still waiting: {warned}")
            pause = AGAIN_SECONDS

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield look
    finally:
        ended.set()
        watcher.join()
