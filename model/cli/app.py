"""``python -m model``: from FHIR to a signed release, one command a step."""

import sys

import typer

from model.cli.card import card
from model.cli.evaluate import evaluate
from model.cli.features import features
from model.cli.ingest import ingest
from model.cli.reidentify import reidentify
from model.cli.release import release
from model.cli.score import score
from model.cli.submit import submit
from model.cli.synthesize import synthesize
from model.cli.train import train
from model.cli.verify import verify
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


for command in (synthesize, ingest, features, train, evaluate, submit, release, verify, score, card, reidentify):
    app.command()(command)


def main(prog_name: str = "python -m model") -> None:
    """Run the command line; faults of the user are one sentence, never a stack trace."""
    try:
        app(prog_name=prog_name)
    except GateError as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        sys.exit(1)
    except UserError as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; what was published before is unchanged", file=sys.stderr)
        sys.exit(130)
