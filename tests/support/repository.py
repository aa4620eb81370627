"""Folders that tests read: the repository, and public data beside it."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared"
SHARED_DATA = Path(os.environ.get("HMLOPS_SHARED_DATA", SHARED / "data"))
