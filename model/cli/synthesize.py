"""The ``synthesize`` command: a synthetic population."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from model.io.console import Json, answer
from model.synthesis.units import UNITS


def synthesize(
    out: Annotated[str, typer.Option(help="Folder or S3 prefix for the FHIR files.")],
    patients: Annotated[int, typer.Option(help="Number of patients.")] = 1500,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 1,
    ndjson: Annotated[bool, typer.Option("--ndjson", help="Write Bulk Data NDJSON instead of Bundles.")] = False,
    truth: Annotated[str | None, typer.Option(help="File for the true risk of each discharge.")] = None,
    units: Annotated[str, typer.Option(help="Units of the hospital, separated by commas.")] = ",".join(UNITS),
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Day at whose beginning the record ends; stays that go on then are in it. Without it: finished stays "
            "that end before 2025.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a synthetic hospital population as FHIR R4."""
    from model.synthesis.run import synthesize as run

    day = None if until is None else until.date()
    done = run(patients=patients, seed=seed, out=out, ndjson=ndjson, truth=truth, units=units.split(","), until=day)
    text = f"{done.patients} patients with {done.stays} stays ({done.resources} resources) in {done.out}"
    answer(asdict(done), text, as_json=as_json)
