"""A service as a process of its own, which a test kills, freezes, or starts with a clock that is off."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from libfaketime import get_reload_information
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from services.transport import SpiffeId, TlsFiles, client

START_SECONDS = 120


@dataclass
class Service:
    """A service in a process of its own, which a test may kill and start again on the same port."""

    module: str
    environment: Mapping[str, str]
    folder: Path
    url: str
    identity: SpiffeId
    own: TlsFiles
    clock: str = ""
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        """What it wrote, over all its starts."""
        return self.folder / f"{self.module}.log"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it answers its own probe."""
        with self.log.open("ab") as out:
            command = [sys.executable, "-m", self.module, "serve"]
            self.process = subprocess.Popen(command, env=self._clocked(), cwd=self.folder, stdout=out, stderr=out)
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until it is ready."""
        transient = retry_if_exception_type((httpx.HTTPError, OSError))
        ready = Retrying(retry=transient, wait=wait_fixed(0.05), stop=stop_after_delay(START_SECONDS), reraise=True)
        with self.client(self.own) as probe:
            ready(lambda: self._alive() and probe.get("/readyz").raise_for_status())

    def client(self, caller: TlsFiles, timeout: float = 30) -> httpx.Client:
        """Return a client with a certificate."""
        return client(self.url, self.identity, caller, timeout=timeout)

    def kill(self) -> None:
        """End it at once, as ``kill -9`` does."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it answer nobody, while its connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def set_clock(self, offset: str) -> None:
        """End it, and start it with a clock that is off, such as ``+1h``, or with the right one (``""``)."""
        self.stop()
        self.clock = offset
        self.start()

    def stop(self) -> None:
        """End it as Kubernetes does."""
        self._end(signal.SIGTERM)

    def _alive(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise AssertionError(f"{self.module} ended: {self.log.read_text()[-2000:]}")
        return True

    def _clocked(self) -> dict[str, str]:
        """Return its environment, where its clock is off with libfaketime; time that passes stays as it is."""
        if not self.clock:
            return dict(self.environment)
        _, library = get_reload_information()
        return {**self.environment, **library, "FAKETIME": self.clock}

    def _signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def _end(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(60)
            self.process = None
