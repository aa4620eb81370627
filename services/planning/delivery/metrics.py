"""Prometheus metrics of releases: what the stop of a canary is computed from, by model, role and release.

Each process counts what it saw itself, so Prometheus adds the pods up. Labels are the hospital's models, releases,
roles, faults and causes alone, all known at the start.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from services.planning.delivery.calls import Call, CallFault
from services.planning.delivery.releases import FIRST_MODEL, Releases, Role
from services.planning.delivery.stops import Cause, Stops

BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
"""Seconds; a canary's calls are compared at 0.05, and end at 0.3."""
ANSWERED = "none"
_LABELS = ("model", "role", "release")


class Metrics:
    """Metrics of one hospital's releases.

    Parameters
    ----------
    releases : Releases
        The releases by role and by model.
    stops : Stops
        The canaries that were stopped.
    """

    def __init__(self, releases: Releases, stops: Stops) -> None:
        self.registry = CollectorRegistry()
        asked = {(FIRST_MODEL, role): one for role, one in releases.by_role() if role is not Role.PREVIOUS}
        asked |= {(model, Role.ACTIVE): one for model, one in releases.models.items()}
        self._releases: dict[tuple[str, Role], str] = {which: one.release for which, one in asked.items()}
        self._scoring = {one.digest: which for which, one in asked.items() if which[1] is not Role.SHADOW}
        self._calls = Counter(
            "planning_release_calls", "Calls of model servers.", (*_LABELS, "fault"), registry=self.registry
        )
        self._seconds = Histogram(
            "planning_release_call_seconds",
            "Times of calls of model servers.",
            _LABELS,
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._answers = Counter(
            "planning_release_answers", "Encounters that a release scored.", _LABELS, registry=self.registry
        )
        self._overrides = Counter(
            "planning_release_overrides", "Overrides of scores of a release.", _LABELS, registry=self.registry
        )
        stopped = Gauge(
            "planning_canary_stopped",
            "Whether a canary is stopped, by cause.",
            ("release", "cause"),
            registry=self.registry,
        )
        for (model, role), release in self._releases.items():
            # Without a first value, Prometheus would miss the first increase.
            for fault in (ANSWERED, *CallFault):
                self._calls.labels(model, role, release, fault)
            self._seconds.labels(model, role, release)
            if role is not Role.SHADOW:
                self._answers.labels(model, role, release)
                self._overrides.labels(model, role, release)
        if releases.canary is not None:
            for cause in Cause:
                stopped.labels(releases.canary.release, cause).set_function(
                    _Stopped(stops, releases.canary.digest, cause)
                )

    def observe_calls(self, calls: Iterable[Call], model: str = FIRST_MODEL) -> None:
        """Count calls of a model's servers."""
        for call in calls:
            release = self._releases[model, call.role]
            self._calls.labels(model, call.role, release, call.fault or ANSWERED).inc()
            self._seconds.labels(model, call.role, release).observe(call.milliseconds / 1000)

    def observe_answers(self, digests: Iterable[str]) -> None:
        """Count scored encounters, by the digests of the releases that scored them."""
        for digest in digests:
            self._count(self._answers, digest)

    def observe_override(self, digest: str) -> None:
        """Count an override of a score; one of a release that has no role any more is not counted."""
        self._count(self._overrides, digest)

    def _count(self, counter: Counter, digest: str) -> None:
        for begins, which in self._scoring.items():
            if digest.startswith(begins):
                counter.labels(*which, self._releases[which]).inc()

    def serve(self, port: int) -> None:
        """Answer Prometheus in plain HTTP on a port, beside the caller."""
        start_http_server(port, registry=self.registry)


class _Stopped:
    """Gauge of a canary's stop by a cause, read at each scrape."""

    def __init__(self, stops: Stops, digest: str, cause: Cause) -> None:
        self._stops, self._digest, self._cause = stops, digest, cause

    def __call__(self) -> float:
        return float(self._stops.cause(self._digest) == self._cause)
