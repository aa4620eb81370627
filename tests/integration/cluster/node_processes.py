"""Processes of pods, as root of the node sees them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc")


@dataclass(frozen=True)
class Container:
    """A running container of a pod.

    Parameters
    ----------
    namespace, pod, name
        Which container.
    id
        Its id in the container runtime.
    restarts
        How often it was started again.
    """

    namespace: str
    pod: str
    name: str
    id: str
    restarts: int

    @property
    def processes(self) -> list[int]:
        """Its processes."""
        return sorted(int(path.parent.name) for path in PROC.glob("[0-9]*/cgroup") if self.id in _text(path))

    @property
    def first(self) -> int:
        """The process with which it ends: number 1 of its own process ids."""
        [found] = [one for one in self.processes if _inner(one) == "1"]
        return found

    @property
    def root(self) -> Path:
        """Its file system, mounts included."""
        return PROC / str(self.first) / "root"


def containers(pod: Any) -> Iterator[Container]:
    """Yield the running containers of a pod, sidecars included."""
    for one in (*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ())):
        if one.state.running:
            identity = one.container_id.rpartition("/")[2]
            yield Container(pod.metadata.namespace, pod.metadata.name, one.name, identity, one.restart_count)


def environment(process: int) -> dict[str, str]:
    """Return the environment variables that a process was started with; none if it has ended."""
    pairs = (one.partition("=") for one in _text(PROC / str(process) / "environ").split("\0") if one)
    return {name: value for name, _, value in pairs}


def command_line(process: int) -> list[str]:
    """Return the arguments of a process; none if it has ended."""
    return [one for one in _text(PROC / str(process) / "cmdline").split("\0") if one]


def _inner(process: int) -> str:
    """Return the id of a process in its own namespace."""
    lines = _text(PROC / str(process) / "status").splitlines()
    return next((line.split()[-1] for line in lines if line.startswith("NSpid:")), "")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
