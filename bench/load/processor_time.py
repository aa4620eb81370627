"""Processor time of workloads, from the control groups of their pods, and of other processes of the machine."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

GROUPS = Path("/sys/fs/cgroup")
SENDER, OTHERS = "sender", "other processes"


@dataclass(frozen=True)
class Usage:
    """Processor time since some moment in the past, in milliseconds.

    Parameters
    ----------
    processor
        By process.
    throttled
        By workload: time for which its limit of processor time stopped it.
    syncs
        Times that PostgreSQL had its log written to the disk.
    """

    processor: Mapping[str, float] = field(default_factory=dict)
    throttled: Mapping[str, float] = field(default_factory=dict)
    syncs: float = 0.0

    def less(self, other: "Usage") -> "Usage":
        """Return what was used beyond another use, such as that until an earlier moment."""
        return self + other.times(-1)

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            _sum(self.processor, other.processor), _sum(self.throttled, other.throttled), self.syncs + other.syncs
        )

    def times(self, factor: float) -> "Usage":
        """Return the use multiplied by a number."""
        return Usage(
            {name: value * factor for name, value in self.processor.items()},
            {name: value * factor for name, value in self.throttled.items()},
            self.syncs * factor,
        )

    def each(self, requests: int) -> "Usage":
        """Return the use for each of some requests."""
        return self.times(1 / requests)


@dataclass(frozen=True)
class Meter:
    """Reads the use of a machine.

    Parameters
    ----------
    pods
        UIDs of the pods of each workload.
    processes
        Processes outside of pods, by name; those that they started and that have ended count as well.
    syncs
        Returns how often PostgreSQL had its log written to the disk.
    groups
        Where control groups (version 1) are mounted.
    """

    pods: Mapping[str, Sequence[str]]
    processes: Mapping[str, Callable[[], Iterable[psutil.Process]]]
    syncs: Callable[[], int]
    groups: Path = GROUPS

    def read(self) -> Usage:
        """Return the use until now.

        Raises
        ------
        FileNotFoundError
            If a pod has no control group here.
        """
        own = {
            name: sum(int((one / "cpuacct.usage").read_text()) for one in self._folders("cpuacct", uids)) / 1e6
            for name, uids in self.pods.items()
        }
        own |= {name: _seconds(process()) * 1e3 for name, process in self.processes.items()}
        own[SENDER] = _seconds([psutil.Process()]) * 1e3
        machine = psutil.cpu_times()
        busy = machine.user + machine.nice + machine.system + machine.irq + machine.softirq
        own[OTHERS] = busy * 1e3 - sum(own.values())
        throttled = {
            name: sum(_throttled(one) for one in self._folders("cpu", uids)) / 1e6 for name, uids in self.pods.items()
        }
        return Usage(own, throttled, self.syncs())

    def _folders(self, hierarchy: str, uids: Sequence[str]) -> list[Path]:
        folders = [one for uid in uids for one in (self.groups / hierarchy).glob(f"**/kubepods/**/pod{uid}")]
        if len(folders) < len(uids):
            raise FileNotFoundError(
                f"no control group of a pod in {self.groups / hierarchy}: run on the cluster's node"
            )
        return folders


def _throttled(pod: Path) -> int:
    """Return the nanoseconds for which containers of a pod were stopped by their limits."""
    lines = [line.split() for path in pod.glob("*/cpu.stat") for line in path.read_text().splitlines()]
    return sum(int(value) for name, value in lines if name == "throttled_time")


def database_server(database: str) -> list[psutil.Process]:
    """Return the processes of the PostgreSQL server that has a database with open connections."""
    for one in psutil.process_iter(["name", "cmdline"]):
        if one.info["name"] == "postgres" and f" {database} " in " ".join(one.info["cmdline"] or ()):
            server = one.parent()
            return [server, *server.children()] if server else []
    return []


def with_argument(text: str) -> list[psutil.Process]:
    """Return the processes with a text in an argument."""
    return [one for one in psutil.process_iter(["cmdline"]) if any(text in part for part in one.info["cmdline"] or ())]


def _seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the time of processes and of their children that have ended."""
    total = 0.0
    for one in processes:
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _sum(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    return {name: first.get(name, 0.0) + second.get(name, 0.0) for name in [*first, *(second.keys() - first.keys())]}
