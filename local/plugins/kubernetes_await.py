"""Waits: until an object is ready, and until it is gone."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from local.plugins.common import PluginError, Props, Request
from local.plugins.kubernetes_api import ApiError, Cluster, UnreachableError
from local.plugins.kubernetes_objects import (
    PROPAGATION,
    SKIP_AWAIT,
    TIMEOUT,
    Kind,
    annotation,
    id_of,
    is_true,
    kind_of,
    metadata,
    name_of,
    namespace_of,
)
from local.plugins.kubernetes_ready import Readiness, check_of
from local.plugins.kubernetes_reasons import event_reasons, pod_reasons, stuck_deletion

_DEFAULT_SECONDS: Final = {
    "Deployment": 600.0,
    "StatefulSet": 600.0,
    "DaemonSet": 600.0,
    "Job": 600.0,
    "Service": 600.0,
    "Ingress": 600.0,
    "Pod": 600.0,
    "InferenceService": 600.0,
}
_OTHER_SECONDS: Final = 300.0
_FIRST_PAUSE, _LONGEST_PAUSE, _PAUSE_GROWTH = 0.2, 1.5, 1.4
_REASONS_EVERY: Final = 4.0
_SETTLED_LOOKS: Final = 2
# Event times have whole seconds, and a controller may have been quicker than this process.
_EVENT_SLACK: Final = timedelta(seconds=3)


class NotReadyError(PluginError):
    """An object did not become ready; ``live`` is how it was seen last."""

    def __init__(self, reasons: list[str], live: Props) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons
        self.live = live


def timeout_of(request: Request, inputs: Props) -> float:
    """Return how long to wait: ``customTimeouts``, else the annotation, else the kind's default."""
    if request.timeout > 0:
        return request.timeout
    told = annotation(inputs, TIMEOUT)
    if told:
        try:
            return float(told)
        except ValueError:
            raise PluginError(f"{TIMEOUT}: {told} is not a number of seconds") from None
    return _DEFAULT_SECONDS.get(kind_of(inputs).kind, _OTHER_SECONDS)


@dataclass(frozen=True)
class Waiter:
    """Waits on one cluster."""

    cluster: Cluster

    def until_ready(self, request: Request, inputs: Props, live: Props) -> Props:
        """Return the object once it is ready; raise `NotReadyError` where it does not become so."""
        check = None if is_true(inputs, SKIP_AWAIT) else check_of(inputs, everything=_await_all())
        if check is None:
            return live
        started, pause, looked, settled = time.monotonic(), _FIRST_PAUSE, 0.0, 0
        since = datetime.now(UTC) - _EVENT_SLACK
        timeout = timeout_of(request, inputs)
        needed = _SETTLED_LOOKS if kind_of(inputs).kind == "Service" else 1
        reasons: list[str] = []
        state = Readiness(False)
        while True:
            state = check(live, self._related(live))
            settled = settled + 1 if state.done else 0
            if settled >= needed:
                request.log.status("")
                return live
            if state.failed:
                raise NotReadyError(self._explain(live, state.failed, since), live)
            now = time.monotonic()
            if now - started > timeout:
                raise NotReadyError(self._explain(live, f"not ready after {timeout:g} s: {state.text}", since), live)
            if now - looked > _REASONS_EVERY:
                looked, reasons = now, self._reasons(live, since)
            request.log.status(state.text + (f" [{reasons[-1]}]" if reasons else ""))
            if request.cancelled.wait(pause):
                raise NotReadyError([f"{_what(live)} was interrupted: {state.text}"], live)
            pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE)
            live = self._again(live)

    def unready_now(self, inputs: Props, live: Props) -> list[str]:
        """Return why an object is not ready at this moment; empty where it is."""
        check = None if is_true(inputs, SKIP_AWAIT) else check_of({**live, **_marks(inputs)}, everything=_await_all())
        state = check(live, self._related(live)) if check else Readiness(True)
        if state.done:
            return []
        since = datetime.now(UTC) - timedelta(hours=1)
        return self._explain(live, state.failed or f"not ready: {state.text}", since)

    def _again(self, live: Props) -> Props:
        kind, namespace, name = kind_of(live), namespace_of(live), name_of(live)
        try:
            return self.cluster.get(kind, namespace, name)
        except UnreachableError:
            return live
        except ApiError as error:
            if error.missing:
                raise NotReadyError([f"{_what(live)} was deleted by somebody while it was waited for"], live) from None
            raise

    def _related(self, live: Props) -> Sequence[Props]:
        kind = kind_of(live)
        try:
            if kind == Kind("v1", "Service"):
                labels = f"kubernetes.io/service-name={name_of(live)}"
                slices = Kind("discovery.k8s.io/v1", "EndpointSlice")
                return self.cluster.find(slices, namespace_of(live), labels=labels)
            if kind == Kind("v1", "PersistentVolumeClaim"):
                return self.cluster.find(Kind("storage.k8s.io/v1", "StorageClass"), "")
        except UnreachableError:
            return []
        return []

    def _explain(self, live: Props, cause: str, since: datetime) -> list[str]:
        """Return the reasons for a failure, the general one first."""
        return [f"{_what(live)}: {cause}", *self._reasons(live, since)]

    def _reasons(self, live: Props, since: datetime) -> list[str]:
        namespace = namespace_of(live)
        if not namespace:
            return []
        try:
            labels = _pod_labels(live)
            pods = self.cluster.find(Kind("v1", "Pod"), namespace, labels=labels) if labels else []
            if kind_of(live) == Kind("v1", "Pod"):
                pods = [live]
            events = self.cluster.find(Kind("v1", "Event"), namespace)
        except PluginError:
            return []
        return list(dict.fromkeys([*pod_reasons(pods), *event_reasons(events, [name_of(live)], since)]))

    # --- deletion ------------------------------------------------------------------------
    def until_gone(self, request: Request, inputs: Props, live: Props) -> None:
        """Delete an object and return once it is gone."""
        kind, namespace, name = kind_of(live), namespace_of(live), name_of(live)
        propagation = annotation(inputs, PROPAGATION).capitalize() or "Foreground"
        look = self._gone(kind, namespace, name)
        try:
            self.cluster.delete(kind, namespace, name, propagation)
        except ApiError as error:
            if error.missing:
                return
            raise
        if is_true(inputs, SKIP_AWAIT):
            return
        started, pause, timeout = time.monotonic(), _FIRST_PAUSE, timeout_of(request, inputs or live)
        while (left := look()) is not None:
            if metadata(live).get("uid") not in (None, metadata(left).get("uid")):
                return  # gone, and somebody has made another of the same name
            if time.monotonic() - started > timeout:
                raise PluginError(f"{_what(live)} is still there after {timeout:g} s: {stuck_deletion(left)}")
            request.log.status(f"Waiting for deletion{_held(left)}")
            if request.cancelled.wait(pause):
                raise PluginError(f"the deletion of {_what(live)} was interrupted; it goes on in the cluster")
            pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE)

    def _gone(self, kind: Kind, namespace: str, name: str) -> Callable[[], Props | None]:
        def look() -> Props | None:
            try:
                return self.cluster.get(kind, namespace, name)
            except ApiError as error:
                if error.missing:
                    return None
                raise

        return look


def _what(live: Props) -> str:
    return f"{kind_of(live).kind} {id_of(live)}"


def _marks(inputs: Props) -> Props:
    about = inputs.get("metadata")
    return {"metadata": about} if isinstance(about, dict) else {}


def _held(left: Props) -> str:
    held = metadata(left).get("finalizers") or []
    return f" (held by {', '.join(held)})" if held else ""


def _await_all() -> bool:
    return os.environ.get("PULUMI_K8S_AWAIT_ALL", "").lower() == "true"


def _pod_labels(live: Props) -> str:
    """Return the label selector of the pods that belong to an object."""
    kind, spec = kind_of(live), live.get("spec") or {}
    if kind.kind == "Job":
        return f"batch.kubernetes.io/job-name={name_of(live)}"
    if kind.kind == "InferenceService":
        return f"serving.kserve.io/inferenceservice={name_of(live)}"
    selector: Any = spec.get("selector") or {}
    labels = selector if kind == Kind("v1", "Service") else selector.get("matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()) if isinstance(value, str))
