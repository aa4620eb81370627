"""Readmission window of a run or release: the ``return_days`` of its feature definitions."""

UNRECORDED_DAYS = 30
"""Runs and releases from before the window was recorded were all built for this one."""


def within(days: int | None) -> str:
    """Return the window as a part of a sentence; nothing where there is none.

    Examples
    --------
    >>> f"a readmission{within(60)}."
    'a readmission within 60 days.'
    """
    return "" if days is None else f" within {days} days"
