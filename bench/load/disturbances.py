"""Disturbances of a hospital during a soak: replaced pods and killed containers."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.load.environment import MODEL_SERVER, PLANNING, WORKLOADS, Environment
from tests.integration.cluster.node_processes import containers
from tests.support.serving.rollouts import Rollout

READY_SECONDS = 150.0
AGENT, SERVER = "vault-agent", "kserve-container"
MEMORY = Path("/sys/fs/cgroup/memory")
POLL_SECONDS = 0.5
FEWEST_SAMPLES = 4


@dataclass(frozen=True)
class Disturbance:
    """Disturbance of a soak.

    Parameters
    ----------
    name
        What the table calls it.
    run
        Does it, and returns when the hospital is whole again.
    """

    name: str
    run: Callable[[], None]


def disturbances(environment: Environment) -> Sequence[Disturbance]:
    """Return what happens, in turn.

    A killed agent starts again with a new login of the databases and a new certificate, which the service takes over.
    """
    return (
        Disturbance("planning replaced", lambda: _replace(environment, "planner")),
        Disturbance(
            "agent of planning killed: new login, new certificate", lambda: _kill(environment, PLANNING, AGENT)
        ),
        Disturbance("care replaced", lambda: _replace(environment, "care")),
        Disturbance("model server killed", lambda: _kill(environment, MODEL_SERVER, SERVER)),
        Disturbance("gateway replaced", lambda: _replace(environment, "envoy")),
        Disturbance("model server replaced", lambda: _replace(environment, "model-server")),
        Disturbance("recorder replaced", lambda: _replace(environment, "gateway-recorder")),
    )


def _replace(environment: Environment, workload: str) -> None:
    rollout = Rollout(environment.api, environment.hospital, workload)
    rollout.start()
    _wait(rollout.done)


def _kill(environment: Environment, workload: str, name: str) -> None:
    killed = {one.id for pod in environment.pods(workload) for one in containers(pod) if one.name == name}
    for pod in environment.pods(workload):
        for one in containers(pod):
            if one.name == name:
                os.kill(one.first, signal.SIGKILL)

    def started() -> bool:
        now = [one.id for pod in environment.all_pods(workload) for one in containers(pod) if one.name == name]
        ready = all(one.ready for pod in environment.all_pods(workload) for one in pod.status.container_statuses or ())
        return bool(now) and not killed & set(now) and ready

    _wait(started)


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not whole again after {READY_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class MemorySample:
    """Memory of a pod at a time.

    Parameters
    ----------
    workload, pod
        Which pod.
    seconds
        Since the start of the soak.
    mebibytes
        In use, without the page cache.
    """

    workload: str
    pod: str
    seconds: float
    mebibytes: float


def memory(environment: Environment, seconds: float, groups: Path = MEMORY) -> Iterator[MemorySample]:
    """Yield the memory of each pod of the hospital's path now."""
    for workload in WORKLOADS:
        for pod in environment.all_pods(workload):
            for folder in groups.glob(f"**/kubepods/**/pod{pod.metadata.uid}"):
                # A pod that ends may be gone by now.
                with suppress(FileNotFoundError):
                    yield MemorySample(workload, pod.metadata.name, seconds, _resident(folder) / 2**20)


def _resident(folder: Path) -> int:
    """Return the bytes of a group that are no file's, its containers included."""
    lines = (folder / "memory.stat").read_text().splitlines()
    values = {name: int(value) for name, value in (line.split() for line in lines)}
    return values["total_rss"]


def growth(samples: Sequence[MemorySample], settled_after: float) -> dict[tuple[str, str], tuple[float, float]]:
    """Return the memory of each pod and how it grows, by a straight line through its samples.

    Parameters
    ----------
    samples
        Of all pods.
    settled_after
        Seconds of a pod's life that do not count: a service that starts fills its caches.

    Returns
    -------
    dict
        By workload and pod: the last value in MiB, and the growth in MiB a minute. Pods with too few samples are left
        out.
    """
    sizes: dict[tuple[str, str], tuple[float, float]] = {}
    for key in dict.fromkeys((one.workload, one.pod) for one in samples):
        own = [one for one in samples if (one.workload, one.pod) == key]
        settled = [one for one in own if one.seconds >= own[0].seconds + settled_after]
        if len(settled) >= FEWEST_SAMPLES:
            slope, _ = np.polyfit([one.seconds / 60 for one in settled], [one.mebibytes for one in settled], 1)
            sizes[key] = (settled[-1].mebibytes, float(slope))
    return sizes
