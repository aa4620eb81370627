"""Console output: progress and warnings on stderr, the result on stdout."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]

_STDERR = Console(stderr=True, highlight=False)


def warn(sentence: str) -> None:
    """Print a warning on stderr."""
    _STDERR.print(f"warning: {sentence}", markup=False, soft_wrap=True)


def note(sentence: str) -> None:
    """Print a note on how the input was read, on stderr."""
    _STDERR.print(f"read: {sentence}", markup=False, soft_wrap=True)


def answer(values: Mapping[str, object], sentence: str, *, as_json: bool) -> None:
    """Print a command's result, as one JSON object or as a sentence for a person."""
    print(json.dumps(values, sort_keys=True, ensure_ascii=False) if as_json else sentence)


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Yield a function that advances a progress bar; shown on a terminal only."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_STDERR, disable=not _STDERR.is_terminal, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda steps: bar.advance(task, steps)
