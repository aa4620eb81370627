"""Runner of the project's commands: executes them as a user does and keeps their output."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.support.samples import REPOSITORY
from model.io.console import progress

HOSPITAL = "north"
PATIENCE_SECONDS = 900
_NOT_HERE = ("VAULT_ADDR", "VAULT_ROLE", "VAULT_TOKEN", "MLFLOW_TRACKING_URI")


@dataclass(frozen=True)
class CommandResult:
    """One command: its arguments, exit code and output."""

    words: str
    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        """The object printed by ``--json``."""
        answer: dict[str, Any] = json.loads(self.out)
        return answer


class Shell:
    """Runner of commands with a separate home and working folder.

    Parameters
    ----------
    folder
        Everything that is written goes below it: keys to ``home``, which is not looked at, the rest to ``work``.
    """

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.ran: list[CommandResult] = []
        self._home = folder / "home"
        self.work.mkdir(parents=True)
        kept = {name: value for name, value in os.environ.items() if name not in _NOT_HERE}
        self._environment = kept | {"HMLOPS_HOME": str(self._home), "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}

    def run(self, *words: str) -> CommandResult:
        """Run ``python -m model`` with some arguments."""
        done = subprocess.run(
            [sys.executable, "-m", "model", *words],
            cwd=self.work,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        ran = CommandResult(words[0], done.returncode, done.stdout, done.stderr)
        self.ran.append(ran)
        return ran


def run_all(shell: Shell, source: Path, unfit: Path | None, bundle: Path) -> None:
    """Run every command that reads a hospital's data or data derived from it.

    Parameters
    ----------
    shell
        Runs them.
    source
        The hospital's FHIR files.
    unfit
        Files that ingest has to refuse.
    bundle
        One FHIR file, to be scored as it is.
    """
    release = "m"
    first = ("--hospital", HOSPITAL, "--out", "out/curated", "--identity", "identity", "--max-bad-share", "1")
    steps: list[Sequence[str]] = [
        ("ingest", str(source), *first),
        ("ingest", str(source), *first, "--json"),
        *([("ingest", str(unfit), "--hospital", HOSPITAL, "--out", "out/unfit")] if unfit else []),
        *([("ingest", str(unfit), "--hospital", HOSPITAL, "--out", "out/unfit", "--json")] if unfit else []),
        ("features", "out/curated", "--out", "features.parquet", "--json"),
        ("train", "features.parquet", "--out", "run", "--profile", "demonstration", "--json"),
        ("evaluate", "run", "--json"),
        ("release", "run", "--version", "v1", "--to", release, "--json"),
    ]
    with progress("commands", len(steps) + 7) as advance:
        for step in steps:
            last = shell.run(*step)
            advance(1)
        if last.code:
            return
        place = str(last.answer["place"])
        for step in (
            ("verify", place, "--json"),
            ("score", place, "features.parquet"),
            ("score", place, "features.parquet", "--json"),
            ("score", place, str(bundle)),
            ("score", place, str(bundle), "--json"),
            ("card", place, "--out", "card.md"),
            ("card", place, "--out", "card.html", "--json"),
        ):
            shell.run(*step)
            advance(1)
