"""A flood of batch scoring: many Jobs of a hospital's CronJob `score`, begun by hand as people do."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubernetes import client
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from bench.load.environment import Environment
from model.errors import UserError
from services.batch_scoring.job import ROUTE

CRON_JOB = "score"
PATIENCE_SECONDS = 180.0
_LABEL = "bench"


@dataclass(frozen=True)
class Flood:
    """Scoring Jobs of one hospital.

    Parameters
    ----------
    environment
        The hospital.
    """

    environment: Environment

    @property
    def _jobs(self) -> Any:
        return client.BatchV1Api(self.environment.api)

    @property
    def _namespace(self) -> str:
        return f"{self.environment.hospital}-serving"

    @contextmanager
    def of(self, count: int) -> Iterator[None]:
        """Keep Jobs going, as many as their pool admits at once; at the end none is left."""
        names = [self._create(number) for number in range(count)]
        try:
            self._until(lambda: self._running() > 0, "no scoring Job began")
            yield
        finally:
            for name in names:
                self._jobs.delete_namespaced_job(name, self._namespace, propagation_policy="Foreground")
            self._until(lambda: not self._left(), "the scoring Jobs did not end")

    def wake(self) -> float:
        """Begin one Job, and return the seconds until its first score is on record."""
        last, created = self.environment.last_record(), time.time()
        name = self._create(0)
        try:
            record = self._first_record(last)
        finally:
            self._jobs.delete_namespaced_job(name, self._namespace, propagation_policy="Foreground")
            self._until(lambda: not self._left(), "the scoring Job did not end")
        return record.timestamp() - created

    def _create(self, number: int) -> str:
        template = self._jobs.read_namespaced_cron_job(CRON_JOB, self._namespace).spec.job_template
        labels = {**template.metadata.labels, _LABEL: "pools"}
        metadata = client.V1ObjectMeta(name=f"bench-score-{time.time_ns()}-{number}", labels=labels)
        job = client.V1Job(metadata=metadata, spec=template.spec)
        return str(self._jobs.create_namespaced_job(self._namespace, job).metadata.name)

    def _left(self) -> list[Any]:
        left: list[Any] = self._jobs.list_namespaced_job(self._namespace, label_selector=f"{_LABEL}=pools").items
        return left

    def _running(self) -> int:
        return sum(job.status.ready or 0 for job in self._left())

    def _first_record(self, last: int) -> datetime:
        query = (
            "SELECT recorded_at FROM audit.records WHERE sequence > %s AND entry::jsonb ->> 'route' = %s "
            "ORDER BY sequence LIMIT 1"
        )
        rows: list[tuple[datetime]] = []

        def found() -> bool:
            rows[:] = self.environment.rows("audit", query, last, ROUTE)
            return bool(rows)

        self._until(found, "no score came on record", seconds=0.1)
        return rows[0][0]

    def _until(self, condition: Callable[[], bool], message: str, seconds: float = 0.5) -> None:
        waiting = Retrying(
            retry=retry_if_result(lambda met: not met),
            wait=wait_fixed(seconds),
            stop=stop_after_delay(PATIENCE_SECONDS),
            retry_error_callback=lambda _: None,
        )
        if waiting(condition) is None:
            raise UserError(f"After {PATIENCE_SECONDS:g} s {message} in {self._namespace}: see `kubectl get jobs`.")
