"""A stack in the environment: the real Pulumi CLI on a file backend of this machine."""

import json
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from local import environment, recovery, waiting
from local.errors import UserError
from local.paths import REPOSITORY, Home
from local.pki import write_secret

PROJECT = "healthcare-mlops"
PACK = ("--policy-pack", "policy_pack")
STACK = "dev"
CONFIG = REPOSITORY / f"Pulumi.{STACK}.yaml"
_SALT = "encryptionsalt"


@dataclass(frozen=True)
class Stack:
    """A stack of one home.

    Parameters
    ----------
    home
        Where its state and passphrase are, and the environment that it is deployed to.
    name, config
        The stack and its file.
    """

    home: Home
    name: str = STACK
    config: Path = CONFIG

    def _run(self, *arguments: str, capture: bool = True, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
        command = ["pulumi", "--non-interactive", *arguments]
        variables = environment.process(self.home)
        return subprocess.run(command, cwd=cwd, env=variables, capture_output=capture, text=True, check=False)

    @property
    def _this(self) -> tuple[str, ...]:
        """The arguments that name the stack, and its file where it is not in its usual place."""
        elsewhere = () if self.config.parent == REPOSITORY else ("--config-file", str(self.config))
        return ("--stack", self.name, *elsewhere)

    def _ask(self, *arguments: str, cwd: Path = REPOSITORY) -> str:
        done = self._run(*arguments, cwd=cwd)
        if done.returncode != 0:
            raise UserError(explain(done.stderr or done.stdout, self.home))
        return done.stdout

    def select(self) -> None:
        """Create the stack where it is missing, with a passphrase of this machine, and select it.

        Raises
        ------
        UserError
            If the stack's file was encrypted with another passphrase.
        """
        passphrase = self.home.pulumi / "passphrase"
        if not passphrase.exists():
            write_secret(passphrase, secrets.token_urlsafe(32).encode())
        self.restore_salt()
        # The engine writes the salt into the file beside the project's.
        self._ask("stack", "select", "--create", self.name, cwd=self.config.parent)
        self.keep_salt()
        self.release_dead_lock()

    def restore_salt(self) -> None:
        """Give a fresh clone the salt that belongs to this machine's passphrase."""
        kept = self.home.pulumi / "salt"
        if kept.exists() and _SALT not in yaml.safe_load(self.config.read_text()):
            self.config.write_text(f"{_SALT}: {kept.read_text()}\n{self.config.read_text()}")

    def keep_salt(self) -> None:
        """Keep the salt that Pulumi wrote, for other clones on this machine."""
        salt = yaml.safe_load(self.config.read_text()).get(_SALT)
        if salt:
            write_secret(self.home.pulumi / "salt", salt.encode())

    def release_dead_lock(self) -> None:
        """Take away the lock of an update whose process is gone."""
        for path in (self.home.pulumi / ".pulumi" / "locks").rglob("*.json"):
            holder = json.loads(path.read_text()).get("pid")
            if not _is_pulumi(holder):
                path.unlink()

    def recover(self) -> bool:
        """Take up the creations of an update that was killed; tell whether there were any."""
        state = self.exported()
        if not recovery.interrupted(state):
            return False
        settled, gained = recovery.repaired(self.home, state)
        file = self.home.run / "recovered-state.json"
        write_secret(file, json.dumps(settled).encode())
        self._ask("stack", "import", "--stack", self.name, "--file", str(file))
        file.unlink()
        if gained:
            targets = [word for urn in gained for word in ("--target", urn)]
            self._ask("refresh", *self._this, "--yes", "--skip-preview", *targets)
        return True

    def up(self, *, quiet: bool, again: str = "make up") -> None:
        """Run `pulumi up`, judged by the policy pack; its own display is the user's.

        Parameters
        ----------
        quiet
            Show no progress, as where nobody watches.
        again
            The command by which the user goes on after mending what failed.

        Raises
        ------
        UserError
            If the update fails.
        """
        show = ["--suppress-outputs", *(["--suppress-progress"] if quiet else [])]
        with waiting.explained(self.home, self.exported, _say) as warnings:
            done = self._run("up", *self._this, "--yes", "--skip-preview", *PACK, *show, capture=False)
            if done.returncode != 0:
                for warned in warnings():
                    _say(f"warning: {warned}")
                raise UserError(
                    f"`pulumi up` did not finish; its messages are above. Mend what they name, then run `{again}` "
                    "again: it goes on from where it stopped."
                )

    def unchanged(self, *options: str) -> bool:
        """Return whether what is deployed is what is declared."""
        return self._run("preview", *self._this, "--expect-no-changes", *options).returncode == 0

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs."""
        found: dict[str, Any] = json.loads(self._ask("stack", "output", "--stack", self.name, "--json"))
        return found

    def exported(self) -> dict[str, Any]:
        """Return the stack's state."""
        found: dict[str, Any] = json.loads(self._ask("stack", "export", "--stack", self.name))
        return found

    def hospitals(self) -> list[dict[str, Any]]:
        """Return the entries of the hospitals in the stack's file."""
        found: list[dict[str, Any]] = yaml.safe_load(self.config.read_text())["config"][f"{PROJECT}:hospitals"]
        return found

    def working(self) -> list[dict[str, Any]]:
        """Return the entries of the hospitals that are not leaving."""
        return [entry for entry in self.hospitals() if not entry.get("leaving")]

    def set_release(self, hospital: str, release: str) -> None:
        """Name the release in the hospital's entry, as a user would."""
        self.set_field(hospital, "release", release)

    def unset_release(self, hospital: str) -> None:
        """Take the release out of the hospital's entry."""
        self.unset_field(hospital, "release")

    def set_field(self, hospital: str, field: str, value: str) -> None:
        """Set a field of the hospital's entry; points lead into sections."""
        self._ask("config", "set", *self._this, "--path", self._path(hospital, field), value)

    def unset_field(self, hospital: str, field: str) -> None:
        """Take a field out of the hospital's entry."""
        self._ask("config", "rm", *self._this, "--path", self._path(hospital, field))

    def _path(self, hospital: str, field: str) -> str:
        index = [entry["name"] for entry in self.hospitals()].index(hospital)
        return f"{PROJECT}:hospitals[{index}].{field}"


def require_local_cluster() -> None:
    """Refuse to start the embedded cluster for a stack that is configured for another one.

    Raises
    ------
    UserError
        If the stack's file names another cluster.
    """
    chosen = yaml.safe_load(CONFIG.read_text())["config"].get(f"{PROJECT}:cluster", "local")
    if chosen != "local":
        raise UserError(
            f"{CONFIG.name} says `cluster: {chosen}`, and `make up` starts the local one: "
            f"set it to local, or point KUBECONFIG at your {chosen} cluster and run `pulumi up` yourself."
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _is_pulumi(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        return "pulumi" in psutil.Process(pid).name()
    except psutil.Error:
        return False


def explain(output: str, home: Home) -> str:
    """Return what Pulumi said as one sentence with the mend."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if "incorrect passphrase" in output:
        return (
            f"{CONFIG.name} was encrypted with another passphrase than the one in {home.pulumi / 'passphrase'}: "
            f"take the line `{_SALT}` out of the file if it holds no secret, or put the right passphrase there."
        )
    return lines[-1] if lines else "pulumi failed without a message"


def remove_state(home: Home) -> None:
    """Forget the stack's state with the home; the salt in the stack's file goes with it."""
    content = CONFIG.read_text().splitlines(keepends=True)
    kept = home.pulumi / "salt"
    if kept.exists():
        line = f"{_SALT}: {kept.read_text()}"
        CONFIG.write_text("".join(entry for entry in content if entry.strip() != line))
