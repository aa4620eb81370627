"""What a command shows while it works: the step at work, and lines that stay."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.markup import escape
from rich.status import Status

Tell = Callable[[str], None]


class Progress:
    """The steps of a command, a line each with the seconds since it began; a terminal shows how far the last is."""

    def __init__(self, console: Console, began: float, status: Status | None) -> None:
        self._console, self._began, self._status = console, began, status

    def __call__(self, text: str) -> None:
        """Print the step at work."""
        self._console.print(self._timed(text), soft_wrap=True, markup=False)
        self.count(text)

    def count(self, text: str) -> None:
        """Show how far the step at work has come, where that can be shown in place."""
        if self._status is not None:
            self._status.update(escape(self._timed(text)))

    def _timed(self, text: str) -> str:
        return f"{time.monotonic() - self._began:5.0f} s  {text}"


Steps = Callable[[], AbstractContextManager[Progress]]


def steps_on(console: Console) -> Steps:
    """Return what shows the steps of one command, whose seconds count from now."""
    began = time.monotonic()

    @contextmanager
    def steps() -> Iterator[Progress]:
        if console.is_terminal:
            with console.status("starting") as status:
                yield Progress(console, began, status)
        else:
            yield Progress(console, began, None)

    return steps
