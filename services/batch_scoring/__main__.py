"""``python -m services.batch_scoring``: score the stays that go on, once. Settings come from the environment."""

import logging
import os
import sys

from model.errors import UserError
from services.audit.errors import NotRecordedError
from services.batch_scoring.job import run
from services.batch_scoring.settings import Settings


def main() -> None:
    """Run the Job; faults of the user are one sentence, never a stack trace."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    try:
        settings = Settings.from_environment(os.environ)
        counts = run(settings)
    except (UserError, NotRecordedError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(2)
    print(
        f"{counts['scored']} stays scored with {settings.release}, {counts['fallback']} ranked by LACE, "
        f"{counts['not_scored']} not scored"
    )


if __name__ == "__main__":
    main()
