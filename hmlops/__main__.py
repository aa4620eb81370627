"""``python -m hmlops``."""

import sys

from hmlops.console import main

if __name__ == "__main__":
    sys.exit(main())
