"""The ``submit`` command: an evaluated run to a candidate for release."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from model.io.console import Json, answer


def submit(
    run_dir: Annotated[Path, typer.Argument(help="Folder of the run, evaluated.")],
    to: Annotated[str, typer.Option(help="Folder or S3 prefix; the candidate lies at TO/DIGEST12.")],
    as_json: Json = False,
) -> None:
    """Store an evaluated run as a candidate, from which release publishes."""
    from model.release.candidate import submit as run

    done = run(run_dir, to)
    text = f"candidate {done.digest} at {done.place}" + ("" if done.changed else " (already stored)")
    answer(asdict(done), text, as_json=as_json)
