"""Check of incremental results: some servers ignore ``_since`` and ``_lastUpdated``."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MOST_REPEATED = 0.05
"""The largest share of what a full run brought that an increment may bring a second time."""


class RepeatedError(Exception):
    """An increment brings again what has landed before."""


def repeated(path: Path, since: str) -> int:
    """Return how many resources of a file are not shown to have changed since a moment.

    Parameters
    ----------
    path : Path
        A whole NDJSON file, gzipped.
    since : str
        The server's moment, as it was asked for.

    Returns
    -------
    int
        Those whose ``meta.lastUpdated`` lies before the moment, or is absent or no instant.
    """
    asked = _instant(since)
    with gzip.open(path) as lines:
        return sum(not _changed_since(line, asked) for line in lines if line.strip())


def _changed_since(line: bytes, asked: datetime | None) -> bool:
    try:
        updated = _instant(json.loads(line)["meta"]["lastUpdated"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    return updated is not None and asked is not None and updated >= asked


def _instant(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
