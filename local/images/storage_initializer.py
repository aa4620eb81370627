"""Fetch model folders as KServe asks for it: pairs of a source address and a folder."""

import sys

from kserve_storage import Storage
from kserve_storage.logging import configure_logging

USAGE = "usage: SOURCE FOLDER [SOURCE FOLDER ...]"


def main(arguments: list[str]) -> int:
    """Download each source into its folder."""
    if not arguments or len(arguments) % 2:
        print(USAGE, file=sys.stderr)
        return 2
    configure_logging()
    try:
        Storage.download_files(arguments[::2], arguments[1::2])
    except RuntimeError as error:
        # Its cause is logged by then; KServe shows this last line in the InferenceService's status.
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
