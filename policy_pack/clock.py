"""The date of this machine, and the dates before which it cannot be: last commit and last review of the settings."""

import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

_GIT_SECONDS = 10
_LAST_COMMIT = ("git", "log", "-1", "--format=%ct")


@dataclass(frozen=True)
class Earliest:
    """A date that has passed, and what shows it."""

    day: date
    source: str


def today() -> date:
    """Return the date of this machine's clock, in UTC."""
    return datetime.now(UTC).date()


@cache
def earliest(file: Path) -> Earliest:
    """Return the newest date that a file's time of change and its repository's last commit show."""
    changed = Earliest(_day(file.stat().st_mtime), f"{file.name} was changed")
    commit = _last_commit(file.parent)
    return commit if commit and commit.day > changed.day else changed


def of_timestamps(timestamps: list[str], source: str) -> Earliest | None:
    """Return the newest date of RFC 3339 timestamps; those of another form count as none."""
    days = [day for text in timestamps if (day := _parsed(text))]
    return Earliest(max(days), source) if days else None


def _last_commit(folder: Path) -> Earliest | None:
    """Return the date of the last commit; None outside of a repository, or without git."""
    try:
        process = subprocess.run(
            _LAST_COMMIT, cwd=folder, capture_output=True, text=True, check=True, timeout=_GIT_SECONDS
        )
        return Earliest(_day(float(process.stdout)), "the last commit was made")
    except (OSError, ValueError, OverflowError, subprocess.SubprocessError):
        return None


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()


def _parsed(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None
