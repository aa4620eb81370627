"""Folders of Go modules that are read and not built: their charts and custom resource definitions."""

import json
import subprocess
from collections.abc import Collection
from pathlib import Path

from local.errors import UserError
from local.tools import build


def folders(project: Path, modules: Collection[str]) -> dict[str, Path]:
    """Return the folders of modules that the ``go.mod`` of a project pins, downloading those that the cache lacks.

    Raises
    ------
    UserError
        If there is no Go, or the module registry does not answer.
    """
    command = [build.go(), "mod", "download", "-json", *modules]
    done = subprocess.run(command, cwd=project, env=build.go_environment(), capture_output=True, text=True, check=False)
    entries = _entries(done.stdout)
    by_path = {entry["Path"]: Path(entry["Dir"]) for entry in entries if "Dir" in entry}
    missing = sorted(set(modules) - by_path.keys())
    if done.returncode != 0 or missing:
        lines = [entry["Error"] for entry in entries if "Error" in entry] or done.stderr.splitlines()
        reason = lines[-1] if lines else "no reason given"
        raise UserError(
            f"The modules of production's charts could not be downloaded ({reason}): check the network or GOPROXY, "
            "then run the command again."
        )
    return by_path


def _entries(text: str) -> list[dict[str, str]]:
    """Return the JSON objects in the output of Go."""
    decoder, entries, at = json.JSONDecoder(), [], 0
    while at < len(text.rstrip()):
        entry, end = decoder.raw_decode(text, at)
        entries.append(entry)
        at = end + len(text[end:]) - len(text[end:].lstrip())
    return entries
