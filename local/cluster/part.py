"""A part (supervised component) of the embedded environment, and the health checks of parts."""

import hashlib
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import requests

from local.cluster.supervision import Program
from local.paths import Home

Check = Callable[[Home], str]


@dataclass(frozen=True)
class Part:
    """One part.

    Parameters
    ----------
    program
        The supervised process.
    healthy
        Health check: returns an empty string, or the problem.
    ports
        Addresses that must be free before it starts.
    role
        Description for the status table.
    """

    program: Program
    healthy: Check
    role: str
    ports: tuple[tuple[str, int], ...] = ()

    @property
    def name(self) -> str:
        """Name of the part."""
        return self.program.name


def http(url: str, *, client: str = "", accept: tuple[int, ...] = (200,)) -> Check:
    """Return a health check of a URL, with the cluster's CA for https."""

    def check(home: Home) -> str:
        certificate = (str(home.pki / f"{client}.crt"), str(home.pki / f"{client}.key")) if client else None
        try:
            answer = requests.get(url, verify=str(home.pki / "ca.crt"), cert=certificate, timeout=3)
        except requests.RequestException as error:
            return f"does not answer ({type(error).__name__})"
        return "" if answer.status_code in accept else f"answers {answer.status_code}"

    return check


def unix_socket(name: str) -> Check:
    """Return a health check of a Unix socket in the run folder."""

    def check(home: Home) -> str:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(3)
            try:
                client.connect(str(home.run / name))
            except OSError as error:
                return f"does not answer ({error.strerror})"
        return ""

    return check


def digest(paths: Iterable[Path]) -> str:
    """Return a digest of the files that a part reads at its start."""
    content = hashlib.sha256()
    for path in sorted(paths):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix != ".pyc":
                content.update(file.name.encode() + file.read_bytes())
    return content.hexdigest()[:16]
