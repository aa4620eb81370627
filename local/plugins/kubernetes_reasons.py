"""Why pods do not run, in the words of the cluster: pure functions over pods and events."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from local.plugins.common import Props
from local.plugins.kubernetes_objects import metadata, name_of
from local.plugins.kubernetes_ready import condition

_LIMIT: Final = 6
_ORDINARY_WAITS: Final = frozenset(("ContainerCreating", "PodInitializing"))


def _line(text: Any) -> str:
    return " ".join(str(text).split())


def pod_reasons(pods: Iterable[Props]) -> list[str]:
    """Return one sentence for each thing that keeps a pod from being ready."""
    found: list[str] = []
    for pod in pods:
        status = pod.get("status") or {}
        name = name_of(pod)
        scheduled = condition(pod, "PodScheduled")
        if scheduled.get("status") == "False":
            found.append(f"pod {name} cannot be scheduled: {_line(scheduled.get('message', ''))}")
        for state in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            text = _container_reason(state)
            if text:
                found.append(f"pod {name}, container {state.get('name')}: {text}")
        if status.get("reason"):
            found.append(f"pod {name}: {status['reason']}: {_line(status.get('message', ''))}")
    return _unique(found)[:_LIMIT]


def _container_reason(status: Props) -> str:
    state = status.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    if waiting.get("reason") and waiting["reason"] not in _ORDINARY_WAITS:
        last = (status.get("lastState") or {}).get("terminated") or {}
        before = f"; last {_ended(last)}" if last else ""
        message = _line(waiting.get("message", ""))
        return f"{waiting['reason']}{': ' if message else ''}{message}{before}"
    return _ended(ended) if ended.get("exitCode") else ""


def _ended(state: Props) -> str:
    # What a program printed is not repeated: it may name a patient.
    reason = state.get("reason", "Error")
    return f"exited with code {state.get('exitCode')} ({reason})"


def event_reasons(events: Iterable[Props], names: Sequence[str], since: datetime) -> list[str]:
    """Return the warnings about objects of these names, or that belong to them, newest last."""
    mine = [
        event
        for event in events
        if event.get("type") == "Warning" and _about(event, names) and (_when(event) or since) >= since
    ]
    mine.sort(key=lambda event: _when(event) or since)
    return _unique(_event_line(event) for event in mine)[-_LIMIT:]


def _event_line(event: Props) -> str:
    subject = event.get("involvedObject") or {}
    about = f"{subject.get('kind', 'object')} {subject.get('name', '')}"
    return f"{about}: {event.get('reason')}: {_line(event.get('message', ''))}"


def _about(event: Props, names: Sequence[str]) -> bool:
    subject = str((event.get("involvedObject") or {}).get("name", ""))
    return any(subject == name or subject.startswith(f"{name}-") for name in names)


def _when(event: Props) -> datetime | None:
    text = event.get("lastTimestamp") or event.get("eventTime") or metadata(event).get("creationTimestamp")
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def stuck_deletion(thing: Props) -> str:
    """Say what holds an object that should be gone."""
    held = metadata(thing).get("finalizers") or (thing.get("spec") or {}).get("finalizers") or []
    remaining = [
        _line(entry.get("message", ""))
        for entry in (thing.get("status") or {}).get("conditions") or []
        if str(entry.get("type", "")).startswith("Namespace") and entry.get("status") == "True"
    ]
    reasons = list(remaining)
    if held and thing.get("kind") != "Namespace":
        reasons.append(f"held by the finalizer {', '.join(held)}; its controller must run, or remove the finalizer")
    return "; ".join(reasons) or "nothing says what holds it"
