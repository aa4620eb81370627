"""Work that is repeated beside the requests: what a request needs of a slow store is read before it comes."""

import logging
import threading
from collections.abc import Callable, Sequence

INTERVAL_SECONDS = 30.0

log = logging.getLogger("services.planning")


class Refresh:
    """Calls functions at once and then at an interval, until it is stopped.

    Parameters
    ----------
    functions : sequence of callable
        What is called, in order. An exception ends neither the others nor the repetition.
    interval : float
        Seconds between two rounds.
    """

    def __init__(self, functions: Sequence[Callable[[], None]], interval: float = INTERVAL_SECONDS) -> None:
        self._functions, self._interval = functions, interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="refresh", daemon=True)

    def start(self) -> None:
        """Call the functions once, and go on beside the caller."""
        self.round()
        self._thread.start()

    def stop(self) -> None:
        """End the repetition; a function that still runs ends with the process."""
        self._stopped.set()

    def round(self) -> None:
        """Call each function once."""
        for function in self._functions:
            try:
                function()
            except Exception as fault:
                # Its text may hold what was read.
                log.error("A refresh failed: %s", type(fault).__name__)

    def _repeat(self) -> None:
        while not self._stopped.wait(self._interval):
            self.round()
