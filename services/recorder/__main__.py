"""``python -m services.recorder``: serve the gateway's access log until the process is told to stop."""

import logging
import os
import sys

from model.errors import UserError
from services.audit.errors import NotRecordedError
from services.recorder import server


def main() -> None:
    """Serve; a fault of the environment is one sentence, never a stack trace."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    # One line for each request, with the address of a gateway.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        server.serve(os.environ)
    except (UserError, NotRecordedError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
