"""Progress output of a command: the current step, and completed steps."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.markup import escape
from rich.status import Status

Tell = Callable[[str], None]


class Progress:
    """Steps of a command, one line each with the elapsed seconds; a terminal also shows the progress of the last."""

    def __init__(self, console: Console, began: float, status: Status | None) -> None:
        self._console, self._began, self._status = console, began, status

    def __call__(self, text: str) -> None:
        """Print the current step."""
        self._console.print(self._timed(text), soft_wrap=True, markup=False)
        self.count(text)

    def count(self, text: str) -> None:
        """Show the progress of the current step, if the terminal supports it."""
        if self._status is not None:
            self._status.update(escape(self._timed(text)))

    def _timed(self, text: str) -> str:
        return f"{time.monotonic() - self._began:5.0f} s  {text}"


Steps = Callable[[], AbstractContextManager[Progress]]


def steps_on(console: Console) -> Steps:
    """Return the progress output of one command, with elapsed time from now."""
    began = time.monotonic()

    @contextmanager
    def steps() -> Iterator[Progress]:
        if console.is_terminal:
            with console.status("starting") as status:
                yield Progress(console, began, status)
        else:
            yield Progress(console, began, None)

    return steps
