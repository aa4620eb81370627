"""Readmission window of a run or release: the ``return_days`` of its feature definitions."""

from collections.abc import Mapping
from typing import Any

UNRECORDED_DAYS = 30
"""Runs and releases from before the window was recorded were all built for this one."""


def window_of(lineage: Mapping[str, Any]) -> int | None:
    """Return the window of a release in days; none where the outcome is a column of a hospital's own table.

    Parameters
    ----------
    lineage : mapping
        The release's own lineage.

    Examples
    --------
    >>> window_of({"made_from": {}, "return_days": 60})
    60
    """
    return None if "table" in lineage["made_from"] else int(lineage.get("return_days", UNRECORDED_DAYS))


def within(days: int | None) -> str:
    """Return the window as a part of a sentence; nothing where there is none.

    Examples
    --------
    >>> f"a readmission{within(60)}."
    'a readmission within 60 days.'
    """
    return "" if days is None else f" within {days} days"
