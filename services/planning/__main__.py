"""``python -m services.planning``: ``serve`` runs the service; settings come from the environment."""

import os
import sys

import typer

from model.errors import UserError
from services.audit.errors import NotRecordedError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def about() -> None:
    """Discharge planning of one hospital: scores of encounters, their history and the feedback on them."""


@app.command()
def serve() -> None:
    """Serve by mutual TLS until the process is told to stop."""
    from services.planning import server

    server.serve(os.environ)


def main() -> None:
    """Run the command line; faults of the user are one sentence, never a stack trace."""
    try:
        app()
    except (UserError, NotRecordedError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
