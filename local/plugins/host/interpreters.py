"""Python interpreter of a program, from ``runtime.options`` of its Pulumi.yaml."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.errors import UserError


def find(options: Mapping[str, Any], root: Path, program: Path) -> Path:
    """Return the interpreter for a program.

    Parameters
    ----------
    options
        ``runtime.options``: ``virtualenv`` names a folder; ``toolchain`` is pip or uv.
    root
        Folder of the Pulumi.yaml, to which ``virtualenv`` is relative.
    program
        Folder of the program.

    Raises
    ------
    UserError
        The named environment does not exist, or the toolchain is not supported.
    """
    toolchain = str(options.get("toolchain", "pip")).lower()
    if toolchain not in ("pip", "uv"):
        raise UserError(f"toolchain {toolchain} of {root}/Pulumi.yaml is not supported; use uv or pip")
    named = str(options.get("virtualenv", ""))
    if named:
        return _inside(root / named)
    if toolchain == "uv":
        return _uv(root, program)
    active = os.environ.get("VIRTUAL_ENV")
    return _inside(Path(active)) if active else Path(sys.executable)


def _uv(root: Path, program: Path) -> Path:
    chosen = os.environ.get("UV_PROJECT_ENVIRONMENT")
    if chosen:
        return _inside(program / chosen)
    for folder in (program, *program.parents):
        if (folder / ".venv").is_dir():
            return _inside(folder / ".venv")
        if folder == root:
            break
    return _inside(root / ".venv")


def _inside(environment: Path) -> Path:
    python = environment / "bin" / "python"
    if not python.exists():
        raise UserError(f"the virtual environment {environment} does not exist; run `pulumi install` or `uv sync`")
    return python


def install_command(options: Mapping[str, Any], root: Path, program: Path) -> list[list[str]]:
    """Return the commands that install a program's dependencies; empty if it has none."""
    uses_uv = str(options.get("toolchain", "")).lower() == "uv"
    if uses_uv or (program / "uv.lock").exists():
        return [["uv", "sync"]]
    requirements = program / "requirements.txt"
    if not requirements.exists():
        return []
    named = str(options.get("virtualenv", ""))
    environment = root / named if named else Path(sys.prefix)
    python = environment / "bin" / "python"
    make = [] if python.exists() else [[sys.executable, "-m", "venv", str(environment)]]
    return [*make, [str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)]]
