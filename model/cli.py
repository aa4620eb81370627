"""``python -m model``: from FHIR to a signed release, one command a step."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from model.console import answer
from model.errors import GateError, UserError

app = typer.Typer(
    name="model",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def about() -> None:
    """FHIR in, a signed readmission-risk release out. Any path may be local or s3://bucket/prefix."""


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command()
def synthesize(
    out: Annotated[str, typer.Option(help="Folder or S3 prefix for the FHIR files.")],
    patients: Annotated[int, typer.Option(help="How many patients.")] = 1500,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    ndjson: Annotated[bool, typer.Option("--ndjson", help="Bulk Data files in place of bundles.")] = False,
    truth: Annotated[str | None, typer.Option(help="File for the true risk of each discharge.")] = None,
    as_json: Json = False,
) -> None:
    """Write a synthetic hospital population as FHIR R4."""
    from model.synthesis.run import synthesize as run

    done = run(patients=patients, seed=seed, out=out, ndjson=ndjson, truth=truth)
    text = f"{done.patients} patients with {done.stays} stays ({done.resources} resources) in {done.out}"
    answer(asdict(done), text, as_json=as_json)


def main() -> None:
    """Run the command line; faults of the user are one sentence, never a stack trace."""
    try:
        app()
    except GateError as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        sys.exit(1)
    except UserError as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; what was published before is unchanged", file=sys.stderr)
        sys.exit(130)
