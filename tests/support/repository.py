"""The repository's folder; that of public data is ``bench.support.samples.shared``."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def when_and_what() -> str:
    """Return the sentence of a page that says of which day and which revision a run is."""
    command = ["git", "-C", str(REPOSITORY), "rev-parse", "--short", "HEAD"]
    revision = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    now = datetime.now(UTC)
    return f"This run is of {now.day} {now:%B %Y}, revision {revision}"
