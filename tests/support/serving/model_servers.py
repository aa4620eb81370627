"""A release of the small hospital, the real model server that serves it, and one whose faults a test chooses."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay

from model.artifact import files as release_files
from model.artifact.trust import TRUSTED_KEYS
from model.release.publish import release
from model.release.signing import LocalSigner
from services.planning.open_inference import MODEL_SERVER
from services.transport import Credentials, SpiffeId, TlsFiles, client
from tests.support.identity.workload_certificates import WorkloadAuthority, files, tls_environment
from tests.support.model.gates_world import forged
from tests.support.model.model_world import evaluated
from tests.support.repository import REPOSITORY

NAME = "readmission-risk-v1"
HOSPITAL = "north"


def released(folder: Path, version: str = "v1") -> Path:
    """Return the folder of a signed release; its key is in ``folder/key``."""
    done = release(evaluated(), version=version, to=str(folder), signer=LocalSigner(folder / "key"))
    return Path(done.place)


def copied(place: Path, folder: Path) -> Path:
    """Return a copy of a release in ``folder``, with a copy of its key in ``folder/key``."""
    shutil.copytree(place.parents[1], folder, dirs_exist_ok=True)
    return folder / place.parent.name / place.name


def without_compiled_model(folder: Path, place: Path) -> Path:
    """Return a copied release as one from before compiled models, signed by its own key."""
    (place / release_files.COMPILED_FILE).unlink()
    lineage = json.loads((place / release_files.LINEAGE_FILE).read_text())
    del lineage["compiled"]
    (place / release_files.LINEAGE_FILE).write_text(json.dumps(lineage))
    return Path(forged(folder, str(place), release_files.SERVER_FILE))


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
    authority: WorkloadAuthority
    folder: Path
    release: Path

    def client(self, service_account: str = "planner") -> httpx.Client:
        """Return a client with the certificate of a workload."""
        own = files(self.folder / service_account)
        self.authority.issue(own, str(SpiffeId(HOSPITAL, service_account)))
        return client(self.url, SpiffeId(HOSPITAL, MODEL_SERVER), own)

    @contextmanager
    def unfinished_requests(self, number: int, service_account: str = "planner") -> Iterator[None]:
        """Hold requests whose bodies are declared and do not come, all opened by one certificate within a moment."""
        own = files(self.folder / service_account)
        self.authority.issue(own, str(SpiffeId(HOSPITAL, service_account)))
        address = httpx.URL(self.url)
        context = Credentials(own, server=False).context()
        context.check_hostname = False
        head = f"POST {address.path}/infer HTTP/1.1\r\nHost: {address.host}\r\n"
        with ExitStack() as held:
            connections = []
            for _ in range(number):
                plain = held.enter_context(socket.create_connection((address.host, address.port or 443)))
                connections.append(held.enter_context(context.wrap_socket(plain)))
            # The handshakes take long on a busy machine, and the time of a request begins with its headers.
            for connection in connections:
                connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n".encode())
            yield


@contextmanager
def serving(place: Path, key: str, scratch: Path) -> Iterator[Server]:
    """Run the model server, which planning alone may call."""
    port, figures = free_port(), free_port()
    authority, own = WorkloadAuthority(), files(scratch / MODEL_SERVER)
    authority.issue(own, str(SpiffeId(HOSPITAL, MODEL_SERVER)))
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(scratch),
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MLSERVER_HOST": "127.0.0.1",
        "TLS_PORT": str(port),
        "TLS_CALLERS": str(SpiffeId(HOSPITAL, "planner")),
        "TLS_CERTIFICATE_FILE": str(own.certificate),
        "TLS_KEY_FILE": str(own.key),
        "TLS_CA_FILE": str(own.authority),
        "MLSERVER_METRICS_PORT": str(figures),
        "MLSERVER_METRICS_DIR": str(scratch),
        "MLSERVER_PARALLEL_WORKERS": "0",
        "OMP_NUM_THREADS": "1",
        TRUSTED_KEYS: key,
    }
    command = [sys.executable, "-m", "services.inference", str(place)]
    log = scratch / "log"
    with log.open("wb") as out, subprocess.Popen(command, env=env, cwd=scratch, stdout=out, stderr=out) as run:
        url, shown = f"https://127.0.0.1:{port}/v2/models/{NAME}", f"http://127.0.0.1:{figures}/metrics"
        yield Server(url, log, shown, authority, scratch, place)
        run.terminate()
        run.wait(30)


@dataclass(frozen=True)
class FaultyServer:
    """A model server in a process of its own, which answers as the release does until it is told to fail."""

    url: str
    log: Path
    tls_url: str = ""

    def fail(self, fault: str) -> None:
        """Answer with a fault from now on; ``none`` ends it."""
        httpx.post(f"{self.url}/fault", content=fault.encode()).raise_for_status()

    def asked(self) -> int:
        """Return how many requests for scores came in."""
        return int(httpx.get(f"{self.url}/asked").text)


@contextmanager
def faulty_server(place: Path, scratch: Path, tls: TlsFiles | None = None) -> Iterator[FaultyServer]:
    """Run ``tests.support.serving.faulty_model_server`` with a release, over mutual TLS too with a certificate."""
    port, log = free_port(), scratch / "faulty-server.log"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.support.serving.faulty_model_server", str(place), str(port)]
    tls_url = ""
    if tls is not None:
        tls_port = free_port()
        command.append(str(tls_port))
        env |= tls_environment(tls)
        tls_url = f"https://127.0.0.1:{tls_port}"
    with log.open("wb") as out, subprocess.Popen(command, env=env, cwd=scratch, stdout=out, stderr=out) as run:
        server = FaultyServer(f"http://127.0.0.1:{port}", log, tls_url)
        try:
            ready = Retrying(
                retry=retry_if_exception_type(httpx.TransportError), stop=stop_after_delay(60), reraise=True
            )
            ready(server.asked)
            yield server
        finally:
            run.terminate()
            run.wait(30)
