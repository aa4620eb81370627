"""The ``synthesize`` command: a synthetic population."""

from dataclasses import asdict
from typing import Annotated

import typer

from model.io.console import Json, answer


def synthesize(
    out: Annotated[str, typer.Option(help="Folder or S3 prefix for the FHIR files.")],
    patients: Annotated[int, typer.Option(help="Number of patients.")] = 1500,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 1,
    ndjson: Annotated[bool, typer.Option("--ndjson", help="Write Bulk Data NDJSON instead of Bundles.")] = False,
    truth: Annotated[str | None, typer.Option(help="File for the true risk of each discharge.")] = None,
    as_json: Json = False,
) -> None:
    """Write a synthetic hospital population as FHIR R4."""
    from model.synthesis.run import synthesize as run

    done = run(patients=patients, seed=seed, out=out, ndjson=ndjson, truth=truth)
    text = f"{done.patients} patients with {done.stays} stays ({done.resources} resources) in {done.out}"
    answer(asdict(done), text, as_json=as_json)
