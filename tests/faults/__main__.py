"""The command that lets all faults happen, and writes what clients got."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tests.faults.faults import FAULTS, small_disk
from tests.faults.page import page
from tests.faults.run import Anchors, Result, run
from tests.support.care.clinical_path import clinical_path
from tests.support.repository import REPOSITORY

PAGE = REPOSITORY / "docs" / "faults.md"


def main(
    fault: Annotated[
        list[str] | None, typer.Option(help="Only these faults; a run of all of them writes the page.")
    ] = None,
) -> None:
    """Let faults of the clinical path happen under load; exit code 1 if an answer was wrong or is not on record."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, clinical_path(Path(folder)) as path, small_disk(path):
        anchors = Anchors(path)
        for one in FAULTS:
            if not fault or one.name in fault:
                results.append(run(path, one, anchors))
                typer.echo(f"{one.name}: {results[-1]}")
    if not fault:
        PAGE.write_text(page(results, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    raise typer.Exit(1 if any(one.wrong or one.unrecorded or one.faults_of_the_chain for one in results) else 0)


if __name__ == "__main__":
    typer.run(main)
