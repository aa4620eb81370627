"""Clients that ask all the time, each in a thread of its own, and keep what they got."""

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType, TracebackType
from typing import Generic, Protocol, Self, TypeVar


class Attempt(Protocol):
    """A request of a client: which client, and when it began, by the monotonic clock."""

    @property
    def client(self) -> str: ...

    @property
    def started(self) -> float: ...


A = TypeVar("A", bound=Attempt)


class Clients(Generic[A]):
    """Clients that ask until the context ends.

    Parameters
    ----------
    ask : mapping
        What a client does for one attempt, by its name.
    pause_seconds : float
        Between two requests of a client.
    pauses : mapping, optional
        Pauses of clients that ask more seldom, by name.
    patience_seconds : float
        How long :meth:`wait` waits at most.

    Attributes
    ----------
    attempts : list
        What they got, in the order in which it ended.
    """

    def __init__(
        self,
        ask: Mapping[str, Callable[[], A]],
        *,
        pause_seconds: float,
        patience_seconds: float,
        pauses: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._patience = patience_seconds
        self.attempts: list[A] = []
        self._changed, self._stop = threading.Condition(), threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(one, pauses.get(name, pause_seconds))) for name, one in ask.items()
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait(self, condition: Callable[[list[A]], bool]) -> None:
        """Wait until the attempts meet a condition."""
        with self._changed:
            met = self._changed.wait_for(lambda: condition(self.attempts), self._patience)
        assert met, f"after {self._patience:.0f} s: {self.attempts[-8:]}"

    def _run(self, ask: Callable[[], A], pause: float) -> None:
        while not self._stop.is_set():
            attempt = ask()
            with self._changed:
                self.attempts.append(attempt)
                self._changed.notify_all()
            self._stop.wait(pause)
