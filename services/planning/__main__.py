"""``python -m services.planning``: ``serve`` runs the service, ``delivery`` prints the state of its releases.

Settings come from the environment.
"""

import json
import os
import sys
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from model.errors import UserError
from services.audit.errors import NotRecordedError
from services.database.errors import DatabaseError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def about() -> None:
    """Discharge planning of one hospital: scores of encounters, their history and the feedback on them."""


@app.command()
def serve() -> None:
    """Serve by mutual TLS until the process is told to stop."""
    from services.planning import server

    server.serve(os.environ)


@app.command()
def delivery(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")] = False,
) -> None:
    """Print the hospital's releases by role, what was observed of a canary, and whether it is stopped."""
    from services.database import connections
    from services.database.schemas import Schema
    from services.planning.delivery import state
    from services.planning.settings import Settings

    settings = Settings.from_environment(os.environ)
    engine = connections.engine(settings.database(Schema.PLANNING), settings.planning_database)
    try:
        with engine.connect() as connection:
            roles = state.read(connection, settings.releases)
    except (SQLAlchemyError, DatabaseError):
        raise UserError("The database planning does not answer; see the service's log.") from None
    if as_json:
        print(json.dumps({"hospital": settings.hospital, "releases": [one.as_json() for one in roles]}))
        return
    print("\n".join(one.sentence() for one in roles) or "no release is assigned; patients are ranked by LACE")


def main() -> None:
    """Run the command line; faults of the user are one sentence, never a stack trace."""
    try:
        app()
    except (UserError, NotRecordedError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
