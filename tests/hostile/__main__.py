"""The command that sends hostile requests to the services, and writes what came of them."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from tests.hostile.page import page
from tests.hostile.run import Outcomes, run
from tests.support.care.clinical_path import clinical_path
from tests.support.repository import REPOSITORY

PAGE = REPOSITORY / "docs" / "hostile-requests.md"
ALL = 10_000


def main(
    total: Annotated[int, typer.Option(min=1, help="How many requests; a run of all of them writes the page.")] = ALL,
    seed: Annotated[int, typer.Option(help="Of everything random but keys and tokens.")] = 1,
) -> None:
    """Send hostile requests to planning and care; exit code 1 if anything came of them that must not."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder, clinical_path(Path(folder)) as path:
        outcomes = run(path, total, seed)
    for line in listed(outcomes):
        typer.echo(line)
    if total >= ALL and not outcomes.faults:
        PAGE.write_text(page(outcomes), encoding="utf-8")
    raise typer.Exit(1 if outcomes.faults else 0)


def listed(outcomes: Outcomes) -> list[str]:
    """Return a line for each sort of fault, with an example, and the sums."""
    sorts = Counter((fault.kind, fault.service, fault.what) for fault in outcomes.faults)
    examples = {(fault.kind, fault.service, fault.what): fault.where for fault in outcomes.faults}
    lines = [
        f"{count} x {kind} {service}: {what}\n    {examples[kind, service, what]}"
        for (kind, service, what), count in sorts.most_common()
    ]
    return [*lines, f"requests {outcomes.sent}, answers on record {outcomes.answers}, faults {len(outcomes.faults)}"]


if __name__ == "__main__":
    typer.run(main)
