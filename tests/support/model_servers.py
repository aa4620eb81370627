"""A release of the small hospital, the real model server that serves it, and one whose faults a test chooses."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay

from model.artifact.trust import TRUSTED_KEYS
from model.evaluation.run import EVALUATION_FILE, evaluate
from model.release.publish import release
from model.release.signing import LocalSigner
from tests.support.model_world import world
from tests.support.repository import REPOSITORY

NAME = "readmission-risk-v1"


def released(folder: Path) -> Path:
    """Return the folder of a signed release; its key is in ``folder/key``."""
    if not (world().run / EVALUATION_FILE).exists():
        evaluate(world().run)
    done = release(world().run, version="v1", to=str(folder), signer=LocalSigner(folder / "key"))
    return Path(done.place)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Server:
    """A model server in a process of its own."""

    url: str
    log: Path
    figures: str


@contextmanager
def serving(place: Path, key: str, scratch: Path) -> Iterator[Server]:
    port, other, figures = free_port(), free_port(), free_port()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(scratch),
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_HTTP_PORT": str(port),
        "MLSERVER_GRPC_PORT": str(other),
        "MLSERVER_METRICS_PORT": str(figures),
        "MLSERVER_METRICS_DIR": str(scratch),
        "MLSERVER_PARALLEL_WORKERS": "0",
        "OMP_NUM_THREADS": "1",
        TRUSTED_KEYS: key,
    }
    command = [sys.executable, "-c", "from mlserver.cli import main; main()", "start", str(place)]
    log = scratch / "log"
    with log.open("wb") as out, subprocess.Popen(command, env=env, cwd=scratch, stdout=out, stderr=out) as run:
        yield Server(f"http://127.0.0.1:{port}/v2/models/{NAME}", log, f"http://127.0.0.1:{figures}/metrics")
        run.terminate()
        run.wait(30)


@dataclass(frozen=True)
class FaultyServer:
    """A model server in a process of its own, which answers as the release does until it is told to fail."""

    url: str
    log: Path

    def fail(self, fault: str) -> None:
        """Answer with a fault from now on; ``none`` ends it."""
        httpx.post(f"{self.url}/fault", content=fault.encode()).raise_for_status()

    def asked(self) -> int:
        """Return how many requests for scores came in."""
        return int(httpx.get(f"{self.url}/asked").text)


@contextmanager
def faulty_server(place: Path, scratch: Path) -> Iterator[FaultyServer]:
    """Run ``tests.support.faulty_model_server`` with a release."""
    port, log = free_port(), scratch / "faulty-server.log"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.support.faulty_model_server", str(place), str(port)]
    with log.open("wb") as out, subprocess.Popen(command, env=env, cwd=scratch, stdout=out, stderr=out) as run:
        server = FaultyServer(f"http://127.0.0.1:{port}", log)
        try:
            ready = Retrying(
                retry=retry_if_exception_type(httpx.TransportError), stop=stop_after_delay(60), reraise=True
            )
            ready(server.asked)
            yield server
        finally:
            run.terminate()
            run.wait(30)
