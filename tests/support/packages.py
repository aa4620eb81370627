"""Debian packages of the servers and programs that process tests start: ``python -m tests.support.packages``."""

import sys

from local.cluster.host import install_packages
from local.errors import UserError
from local.tools.catalogue import APT_TOOLS

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
PACKAGES = {**APT_TOOLS, "/usr/bin/chromium": "chromium", FONT: "fonts-dejavu-core"}


def main() -> int:
    """Install what is missing."""
    try:
        install_packages(PACKAGES)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
