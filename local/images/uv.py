"""The few uses of uv: what the lock holds, and unpacked wheels for the images' Python."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from local.errors import UserError
from local.paths import REPOSITORY
from local.paths import cache as cache_folder

PYTHON = "3.11"
PLATFORM = "x86_64-manylinux_2_28"
TIMEOUT = 900


def command() -> str:
    """Return the user's own uv, or the one that the Makefile installs into the cache."""
    return shutil.which("uv") or str(cache_folder() / "uv" / "bin" / "uv")


@cache
def find_python() -> str | None:
    """Return an interpreter of the images' version, or None if the machine has none."""
    done = subprocess.run(
        [command(), "python", "find", "--no-python-downloads", PYTHON],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else None


def locked(group: str, repository: Path = REPOSITORY) -> frozenset[str]:
    """Return the requirements of a dependency group, each pinned with its hashes."""
    text = _uv(
        [
            "export",
            "--frozen",
            "--quiet",
            "--only-group",
            group,
            "--no-header",
            "--no-annotate",
            "--project",
            str(repository),
        ],
        f"the lock of the dependency group '{group}'",
    )
    joined = text.replace("\\\n", " ")
    return frozenset(" ".join(line.split()) for line in joined.splitlines() if line.strip())


def install(requirements: frozenset[str], target: Path) -> None:
    """Unpack wheels for the images' Python into a folder."""
    target.mkdir(parents=True, exist_ok=True)
    listed = target.parent / f".{target.name}-requirements.txt"
    listed.write_text("".join(f"{line}\n" for line in sorted(requirements)))
    try:
        _uv(
            [
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--require-hashes",
                "--python-version",
                PYTHON,
                "--python-platform",
                PLATFORM,
                "--only-binary",
                ":all:",
                "--target",
                str(target),
                "--requirements",
                str(listed),
            ],
            "the images' Python packages",
        )
    finally:
        listed.unlink()


def _uv(arguments: list[str], what: str) -> str:
    # Not the environment that the caller runs in: uv would warn that it is not the project's.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    try:
        done = subprocess.run(
            [command(), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{what} could not be downloaded: {error}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise UserError(f"{what} could not be downloaded: uv says: {' '.join(' '.join(lines).split())}")
    return done.stdout
