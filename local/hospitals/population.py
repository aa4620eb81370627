"""Synthetic population of a hospital: its record ends on the day of the environment's first run.

The day is kept with the environment, so that a later run finds the same record; after `make clean` there is a new one.
Stays that go on at its end are on the worklist.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from local.errors import UserError
from local.paths import REPOSITORY, Home
from local.secret_file import write_secret

PATIENTS = 1500
# Hospitals are landed in parallel.
_ONE_AT_A_TIME = Lock()

Tell = Callable[[str], None]


def last_day(home: Home) -> date:
    """Return the day at whose beginning the records of the environment end: that of the first call."""
    file = _folder(home) / "last-day"
    with _ONE_AT_A_TIME:
        if not file.exists():
            write_secret(file, datetime.now(UTC).date().isoformat().encode())
    return date.fromisoformat(file.read_text(encoding="ascii"))


def synthesized(home: Home, entry: dict[str, Any], tell: Tell) -> Path:
    """Return a folder of bundles of the synthetic population of a hospital's entry, with its units.

    Raises
    ------
    UserError
        If it cannot be synthesized.
    """
    hospital, units, day = entry["name"], entry.get("units") or (), last_day(home).isoformat()
    sources = sorted(path for path in (REPOSITORY / "model" / "synthesis").iterdir() if path.suffix in (".py", ".yaml"))
    parts = [*(path.read_bytes() for path in sources), ",".join(units).encode(), day.encode()]
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
    folder = _folder(home) / f"{hospital}-{PATIENTS}-{key}"
    if folder.exists():
        return folder
    tell(f"{hospital}: synthesizing {PATIENTS} patients")
    for former in _folder(home).glob(f"*{hospital}-{PATIENTS}-*"):
        if former.name.removeprefix(".").startswith(f"{hospital}-"):
            shutil.rmtree(former)
    partial = folder.with_name(f".{folder.name}.partial")
    seed = int(hashlib.sha256(hospital.encode()).hexdigest()[:6], 16)
    options = {"--patients": str(PATIENTS), "--seed": str(seed), "--until": day, "--out": str(partial)}
    options |= {"--units": ",".join(units)} if units else {}
    command = [sys.executable, "-m", "model", "synthesize", *(word for pair in options.items() for word in pair)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        stderr = done.stderr.strip().splitlines() or ["it ended without a message"]
        raise UserError(f"The population of {hospital} could not be synthesized: {stderr[-1]}")
    partial.rename(folder)
    return folder


def set_source(home: Home, hospital: str, folder: Path) -> None:
    """Note the folder from which a hospital's record was landed."""
    write_secret(_folder(home) / f"{hospital}.source", str(folder.resolve()).encode())


def is_own(home: Home, hospital: str, files: int) -> bool:
    """Return whether a hospital's landed record, of some files, is from a folder of the user's own."""
    landed_from = _noted(home, hospital)
    if landed_from is None:
        return files not in (0, PATIENTS)  # landed before the folder was noted
    return not landed_from.is_relative_to(_folder(home).resolve())


def source(home: Home, entry: dict[str, Any], tell: Tell = lambda _: None) -> Path:
    """Return the folder with the record of a hospital: the user's own, or the synthetic population."""
    landed_from = _noted(home, entry["name"])
    if landed_from is not None and is_own(home, entry["name"], 0):
        return landed_from
    return synthesized(home, entry, tell)


def _noted(home: Home, hospital: str) -> Path | None:
    try:
        return Path((_folder(home) / f"{hospital}.source").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _folder(home: Home) -> Path:
    return home.root / "populations"
