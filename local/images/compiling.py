"""Byte code in images: pods have read-only roots, so nothing can compile at first import."""

import os
import subprocess
from pathlib import Path

from local.images.uv import find_python

JOBS = "2"


def compile_python(folder: Path, root: Path) -> None:
    """Compile a folder of modules, with the paths that they will have in the image.

    Byte code is checked neither by time nor by content at import, because a layer cannot change.
    Where no Python of the images' version is at hand, pods start without it, only slower.
    """
    python = find_python()
    if python is None:
        return
    subprocess.run(
        [
            python,
            "-m",
            "compileall",
            "-q",
            "-q",
            "-j",
            JOBS,
            "--invalidation-mode",
            "unchecked-hash",
            "-s",
            str(root),
            "-p",
            "/",
            str(folder),
        ],
        check=False,  # packages may hold templates that are not valid Python
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
    )
