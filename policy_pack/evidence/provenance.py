"""Provenance of the evidence: its date and period, the version and commit of the pack, and digests of its sources."""

import hashlib
import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from policy_pack.engine.analyzer import NAME, VERSION
from policy_pack.stack.stack_config import PROJECT

_GIT_SECONDS = 10


@dataclass(frozen=True)
class Provenance:
    """Provenance of the evidence: its inputs, time and program.

    Parameters
    ----------
    date
        The date of the evaluation.
    since
        The first day of the period whose changes are counted; empty without a period.
    changed
        The number of resources that were changed in the period.
    tool, commit
        The pack with its version, and the commit of the project; ``changed files`` where some are not committed.
    state_digest
        The SHA-256 digest of the state, with its secrets redacted.
    """

    date: str
    since: str
    changed: int
    tool: str
    commit: str
    state_digest: str


def provenance(day: date, since: date | None, changed: Mapping[str, str], state_digest: str) -> Provenance:
    """Return the provenance of evidence.

    Parameters
    ----------
    day, since
        The date of the evaluation, and the first day of the period, if there is one.
    changed
        The time of the last change by URN.
    state_digest
        The digest of the state.
    """
    first = since.isoformat() if since else ""
    in_period = [time for time in changed.values() if first and first <= time[:10] <= day.isoformat()]
    return Provenance(day.isoformat(), first, len(in_period), f"{NAME} {VERSION}", _commit(), state_digest)


def digest(entries: Iterable[Mapping[str, Any]]) -> str:
    """Return the SHA-256 digest of a state's resources, whatever their order is."""
    lines = sorted(json.dumps(entry, sort_keys=True) for entry in entries)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _commit() -> str:
    """Return the commit of the project; empty outside of a repository."""
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return ""
    return f"{commit} with changed files" if _git("status", "--porcelain", "--untracked-files=no") else commit


def _git(*arguments: str) -> str:
    try:
        command = ["git", *arguments]
        process = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=_GIT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    return process.stdout.strip()
