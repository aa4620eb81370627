"""``python -m services.planning``: ``serve`` runs the service, ``score`` is the Job that asks for one score."""

import os

from services.planning.job import app, main


@app.command()
def serve() -> None:
    """Serve scores, their history and feedback by mutual TLS; settings come from the environment."""
    from services.planning import server

    server.serve(os.environ)


if __name__ == "__main__":
    main()
