"""Background tasks of care: delivery of messages, and removal of old rows."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from model.io.database import sqlstate
from services.database.errors import DatabaseError

POLL_SECONDS = 5.0

log = logging.getLogger("services.care")


@dataclass(frozen=True)
class Task:
    """Periodic task.

    Parameters
    ----------
    name
        What it is, for the log.
    seconds
        How long after it was done it is done again.
    run
        Does it.
    """

    name: str
    seconds: float
    run: Callable[[], object]


class Background:
    """A thread that runs tasks when they are due; one that fails is tried again when it is due next.

    Parameters
    ----------
    tasks
        What to do.
    poll_seconds
        How often to look for what is due.
    """

    def __init__(self, tasks: Sequence[Task], poll_seconds: float = POLL_SECONDS) -> None:
        self._due = {task: 0.0 for task in tasks}
        self._poll_seconds = poll_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="background", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the task that runs."""
        self._stop.set()
        self._thread.join()

    def round(self, now: float) -> None:
        """Run what is due at a moment of the monotonic clock."""
        for task, due in self._due.items():
            if now >= due and not self._stop.is_set():
                _run(task)
                self._due[task] = now + task.seconds

    def _loop(self) -> None:
        while not self._stop.is_set():
            self.round(time.monotonic())
            self._stop.wait(self._poll_seconds)


def _run(task: Task) -> None:
    try:
        task.run()
    except (SQLAlchemyError, DatabaseError) as fault:
        log.error("%s: the database does not answer (SQLSTATE %s)", task.name, sqlstate(fault))
    except Exception as fault:
        log.error("%s failed (%s)", task.name, type(fault).__name__)
