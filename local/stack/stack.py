"""A stack in the environment: the real Pulumi CLI on a file backend of this machine."""

import json
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from local.cluster.pki import write_secret
from local.errors import UserError
from local.paths import REPOSITORY, Home
from local.progress import Progress
from local.stack import environment, recovery, update, waiting

PROJECT = "healthcare-mlops"
PACK = ("--policy-pack", "policy_pack")
STACK = "dev"
CONFIG = REPOSITORY / f"Pulumi.{STACK}.yaml"
OVERLAY = "overlay"
"""The folder of the engine's own files of stacks (``stackConfigDir`` of Pulumi.yaml)."""
HOSPITALS = f"{PROJECT}:hospitals"


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

    def _run(self, *arguments: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
        command = ["pulumi", "--non-interactive", *arguments]
        variables = environment.process(self.home)
        return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)

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
        if self.config == CONFIG:
            link_overlay(self.home)
        # The engine writes the salt into its own file of the project's folder.
        self._ask("stack", "select", "--create", self.name, cwd=self.config.parent)
        self.release_dead_lock()

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

    @property
    def log(self) -> Path:
        """What the engine said at the last update."""
        return self.home.logs / f"update-{self.name}.log"

    def up(self, tell: Progress, *, again: str = "make up") -> None:
        """Run `pulumi up`, judged by the policy pack; show what it came to, and keep its own output in a log.

        Parameters
        ----------
        tell
            Shows the progress.
        again
            The command by which the user goes on after correcting what failed.

        Raises
        ------
        UserError
            If the update fails, with the engine's own errors.
        """
        command = ["pulumi", "--non-interactive", "up", *self._this, "--yes", "--skip-preview", *PACK]
        with waiting.explained(self.home, self.exported, tell) as warnings:
            try:
                found = update.run(
                    [*command, "--suppress-outputs"],
                    cwd=REPOSITORY,
                    variables=environment.process(self.home),
                    log=self.log,
                    events=self.home.run / f"update-{self.name}.json",
                    tell=tell,
                    name=f"update of {self.name}",
                )
            except UserError as fault:
                lines = [str(fault), *(f"The cluster warns of {warned}" for warned in warnings())]
                lines.append(f"Correct what it names, then run `{again}` again: it goes on from where it stopped.")
                raise UserError("\n".join(lines)) from None
        tell(f"update of {self.name}: {found.changed}")
        tell(found.judged)
        tell(f"the engine's own output: {self.log}")

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

    @property
    def overlay(self) -> Path:
        """The engine's own file of the stack."""
        return self.config.parent / OVERLAY / self.config.name

    @property
    def kept(self) -> Path:
        """The file of the environment that clones link their overlay to."""
        return self.home.pulumi / self.config.name

    def declared(self) -> list[dict[str, Any]]:
        """Return the hospitals' entries as the project's file has them."""
        return list(_config(self.config)[HOSPITALS])

    def hospitals(self) -> list[dict[str, Any]]:
        """Return the hospitals' entries with what the overlay says of them."""
        over = (_config(self.overlay) if self.overlay.exists() else {}).get(HOSPITALS) or {}
        return [{**entry, **(over.get(entry["name"]) or {})} for entry in self.declared()]

    def working(self) -> list[dict[str, Any]]:
        """Return the entries of the hospitals that are not leaving."""
        return [entry for entry in self.hospitals() if not entry.get("leaving")]

    def set_release(self, hospital: str, release: str) -> None:
        """Name the release that the hospital serves, as a user would.

        Raises
        ------
        UserError
            If the entry in the project's file names one, which is the user's to change.
        """
        [entry] = [entry for entry in self.declared() if entry["name"] == hospital]
        if entry.get("release"):
            raise UserError(
                f"{hospital} is to serve {release}, and its entry in {self.config.name} names {entry['release']}: "
                "take `release` out of the entry, or put the new one there."
            )
        self.set_field(hospital, "release", release)

    def unset_release(self, hospital: str) -> None:
        """Let the hospital serve no release."""
        self.unset_field(hospital, "release")

    def set_field(self, hospital: str, field: str, value: str) -> None:
        """Set a field of the hospital in the overlay; points lead into sections."""
        self._ask("config", "set", *self._this, "--path", f"{HOSPITALS}.{hospital}.{field}", value)

    def unset_field(self, hospital: str, field: str) -> None:
        """Take a field of the hospital out of the overlay."""
        self._ask("config", "rm", *self._this, "--path", f"{HOSPITALS}.{hospital}.{field}")


def _config(file: Path) -> dict[str, Any]:
    """Return what a stack's file says under ``config``."""
    content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return dict(content.get("config") or {})


def link_overlay(home: Home) -> None:
    """Let this clone's overlay of the dev stack be the file that the environment keeps for all clones.

    A file that is there already, as for a cluster of the user's own, stays.
    """
    kept, link = Stack(home).kept, CONFIG.parent / OVERLAY / CONFIG.name
    if link.is_symlink() and link.readlink() != kept:
        link.unlink()
    if not link.is_symlink() and not link.exists():
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(kept)


def require_local_cluster() -> None:
    """Refuse to start the embedded cluster for a stack that is configured for another one.

    Raises
    ------
    UserError
        If the stack's file names another cluster.
    """
    overlay = CONFIG.parent / OVERLAY / CONFIG.name
    config = {**_config(CONFIG), **(_config(overlay) if overlay.exists() else {})}
    chosen = config.get(f"{PROJECT}:cluster", "local")
    if chosen != "local":
        raise UserError(
            f"{CONFIG.name} says `cluster: {chosen}`, and `make up` starts the local one: "
            f"set it to local, or point KUBECONFIG at your {chosen} cluster and run `pulumi up` yourself."
        )


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
            f"{OVERLAY}/{CONFIG.name} was encrypted with another passphrase than the one in "
            f"{home.pulumi / 'passphrase'}: remove the file if it holds no secret, or put the right passphrase there."
        )
    return lines[-1] if lines else "pulumi failed without a message"


def remove_state(home: Home) -> None:
    """Forget the clone's overlay with the home that keeps it."""
    link = CONFIG.parent / OVERLAY / CONFIG.name
    if link.is_symlink() and link.readlink() == Stack(home).kept:
        link.unlink()
