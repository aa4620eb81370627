"""Process supervision: the environment's own supervisord, controlled over its socket."""

import configparser
import contextlib
import http.client
import shutil
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from supervisor.xmlrpc import SupervisorTransport
from tenacity import RetryError, retry, retry_if_exception_type, stop_after_delay, wait_fixed

from local.cluster.host import MARK
from local.errors import UserError
from local.paths import REPOSITORY, Home


@dataclass(frozen=True)
class Program:
    """Supervised process.

    Parameters
    ----------
    name
        Name of the part and of its log.
    command
        Program and arguments.
    environment
        Further variables.
    version
        Digest of the files that the process reads at its start; a change restarts it.
    stop_signal
        Signal that ends it in order.
    """

    name: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    version: str = ""
    stop_signal: str = "TERM"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def render(home: Home, programs: Iterable[Program]) -> str:
    """Return the configuration of supervisord."""
    config = configparser.RawConfigParser()
    config["unix_http_server"] = {"file": str(home.run / "supervisor.sock"), "chmod": "0700"}
    config["supervisord"] = {
        "logfile": str(home.logs / "supervisord.log"),
        "logfile_maxbytes": "1MB",
        "logfile_backups": "1",
        "pidfile": str(home.run / "supervisord.pid"),
        "childlogdir": str(home.logs),
        "minfds": "4096",
    }
    config["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    for program in programs:
        variables = {**dict(program.environment), MARK: program.name, "HMLOPS_VERSION": program.version}
        config[f"program:{program.name}"] = {
            "command": " ".join(_quoted(word) for word in program.command),
            "directory": str(REPOSITORY),
            "environment": ",".join(f"{key}={_quoted(value)}" for key, value in sorted(variables.items())),
            "autostart": "false",
            "autorestart": "true",
            "startsecs": "1",
            "startretries": "30",
            "stopwaitsecs": "10",
            "stopsignal": program.stop_signal,
            "redirect_stderr": "true",
            "stdout_logfile": str(home.logs / f"{program.name}.log"),
            "stdout_logfile_maxbytes": "20MB",
            "stdout_logfile_backups": "1",
        }
    lines: list[str] = []
    for section in config.sections():
        lines.append(f"[{section}]")
        lines.extend(f"{key}={value}" for key, value in config[section].items())
    return "\n".join(lines) + "\n"


class Supervisor:
    """Client of the supervisord of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._config = home.config / "supervisord.conf"

    @property
    def _rpc(self) -> Any:
        # The transport does not recover from a refused connection: use a new one for each call.
        transport = SupervisorTransport("", "", f"unix://{self._home.run / 'supervisor.sock'}")
        return cast("Any", xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)).supervisor

    def running(self) -> bool:
        """Return whether the supervisor responds."""
        try:
            return bool(self._rpc.getState()["statename"] == "RUNNING")
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False

    def states(self) -> dict[str, dict[str, Any]]:
        """Return supervisord's process information by part name."""
        return {entry["name"]: entry for entry in self._rpc.getAllProcessInfo()}

    def configure(self, programs: Iterable[Program]) -> None:
        """Write the configuration; start the supervisor, or restart the parts that changed."""
        self._config.parent.mkdir(parents=True, exist_ok=True)
        self._home.logs.mkdir(parents=True, exist_ok=True)
        self._config.write_text(render(self._home, programs))
        if not self.running():
            self._launch()
            return
        added, changed, removed = self._rpc.reloadConfig()[0]
        for name in [*changed, *removed]:
            self._rpc.stopProcessGroup(name)
            self._rpc.removeProcessGroup(name)
        for name in [*added, *changed]:
            self._rpc.addProcessGroup(name)

    def _launch(self) -> None:
        program = shutil.which("supervisord", path=str(REPOSITORY / ".venv" / "bin")) or "supervisord"
        done = subprocess.run(
            [sys.executable, program, "-c", str(self._config)],
            cwd="/",
            env={MARK: "supervisord", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            reason = [line for line in (done.stderr or done.stdout).splitlines() if line.startswith("Error")]
            raise UserError(f"The process supervisor did not start: {reason[-1] if reason else 'no reason given'}")
        with contextlib.suppress(RetryError):
            self._await()
        if not self.running():
            raise UserError(f"The process supervisor does not answer: see {self._home.logs / 'supervisord.log'}.")

    @retry(retry=retry_if_exception_type(ConnectionError), stop=stop_after_delay(10), wait=wait_fixed(0.1))
    def _await(self) -> None:
        if not self.running():
            raise ConnectionError

    def start(self, name: str) -> None:
        """Start a part unless it is running."""
        if self.states()[name]["statename"] not in ("RUNNING", "STARTING"):
            self._rpc.startProcess(name, False)

    def stop(self, name: str) -> None:
        """Stop a part if it is running."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self._rpc.stopProcess(name)

    def shutdown(self) -> None:
        """Stop all parts and the supervisor."""
        with contextlib.suppress(OSError, http.client.HTTPException, xmlrpc.client.Error):
            self._rpc.shutdown()
