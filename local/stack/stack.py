"""Pulumi stack of the environment: the Pulumi CLI with a file backend on this machine."""

import json
import secrets
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from local.errors import UserError
from local.paths import REPOSITORY, Home
from local.progress import Progress
from local.secret_file import write_secret
from local.stack import environment, recovery, settings, update, waiting
from local.stack.settings import HOSPITALS, OVERLAY, RELEASE_FIELDS, StackSettings, link_overlay, section

PACK = ("--policy-pack", "policy_pack")


class Stack(StackSettings):
    """Pulumi stack of one home: its settings, and the engine's commands on it."""

    def _run(self, *arguments: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
        command = ["pulumi", "--non-interactive", *arguments]
        variables = environment.process(self.home)
        return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)

    @property
    def _this(self) -> tuple[str, ...]:
        """Arguments that select the stack, and its file if it is not in the default place."""
        elsewhere = () if self.config.parent == REPOSITORY else ("--config-file", str(self.config))
        return ("--stack", self.name, *elsewhere)

    def _ask(self, *arguments: str, cwd: Path = REPOSITORY) -> str:
        done = self._run(*arguments, cwd=cwd)
        if done.returncode != 0:
            raise UserError(explain(done.stderr or done.stdout, self.home))
        return done.stdout

    def select(self) -> None:
        """Create the stack if it is missing, with a passphrase of this machine, and select it.

        Raises
        ------
        UserError
            If the stack's file was encrypted with another passphrase.
        """
        passphrase = self.home.pulumi / "passphrase"
        if not passphrase.exists():
            write_secret(passphrase, secrets.token_urlsafe(32).encode())
        if self.config == settings.CONFIG:
            link_overlay(self.home)
        # The engine writes the salt into its own file in the project's folder.
        self._ask("stack", "select", "--create", self.name, cwd=self.config.parent)
        self.release_dead_lock()

    def release_dead_lock(self) -> None:
        """Remove the lock of an update whose process has ended."""
        for path in (self.home.pulumi / ".pulumi" / "locks").rglob("*.json"):
            holder = json.loads(path.read_text()).get("pid")
            if not _is_pulumi(holder):
                path.unlink()

    def recover(self) -> bool:
        """Adopt resources that a killed update was creating; return whether there were any."""
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
        """Log file of the last update."""
        return self.home.logs / f"update-{self.name}.log"

    @property
    def findings(self) -> Path:
        """File with the policy pack's findings of the last update."""
        return self.home.logs / f"policy-{self.name}.txt"

    def up(self, tell: Progress, *, again: str = "make up", only: Sequence[str] = ()) -> None:
        """Run `pulumi up` with the policy pack; show the result, and write its output to a log.

        Parameters
        ----------
        tell
            Shows the progress.
        again
            The command by which the user goes on after correcting what failed.
        only
            Patterns of the URNs that are updated; all without any.

        Raises
        ------
        UserError
            If the update fails, with the engine's own errors.
        """
        command = ["pulumi", "--non-interactive", "up", *self._this, "--yes", "--skip-preview", *PACK]
        command += [word for pattern in only for word in ("--target", pattern)]
        with waiting.explained(self.home, self.exported, tell) as warnings:
            try:
                events = update.run(
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
        tell(f"update of {self.name}: {events.changed}")
        self.findings.write_text(events.findings, encoding="utf-8")
        tell(events.judged)
        tell(f"its findings: {self.findings}")
        tell(f"the engine's own output: {self.log}")

    def unchanged(self, *options: str) -> bool:
        """Return whether the deployed state equals the declared one."""
        return self._run("preview", *self._this, "--expect-no-changes", *options).returncode == 0

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs."""
        outputs: dict[str, Any] = json.loads(self._ask("stack", "output", "--stack", self.name, "--json"))
        return outputs

    def exported(self) -> dict[str, Any]:
        """Return the stack's state."""
        state: dict[str, Any] = json.loads(self._ask("stack", "export", "--stack", self.name))
        return state

    def set_release(self, hospital: str, release: str) -> None:
        """Set the release of a hospital in the overlay, as a user would.

        Raises
        ------
        UserError
            If the entry in the project's file names one, which is the user's to change.
        """
        [entry] = [entry for entry in self.declared() if entry["name"] == hospital]
        if entry.get("release"):
            raise UserError(
                f"{hospital} is about to serve {release}, but its entry in {self.config.name} has {entry['release']}: "
                "remove `release` from the entry, or change it there."
            )
        self.set_field(hospital, "release", release)

    def unset_releases(self, hospital: str, fields: Iterable[str] = RELEASE_FIELDS) -> None:
        """Remove releases of a hospital from the overlay, if it names them."""
        over = (section(self.overlay) if self.overlay.exists() else {}).get(HOSPITALS) or {}
        for field in fields:
            if field in (over.get(hospital) or {}):
                self.unset_field(hospital, field)

    def set_field(self, hospital: str, field: str, value: str) -> None:
        """Set a field of the hospital in the overlay; dots separate nested fields."""
        self._ask("config", "set", *self._this, "--path", f"{HOSPITALS}.{hospital}.{field}", value)

    def set_fields(self, hospital: str, fields: Mapping[str, str]) -> None:
        """Set several fields of the hospital in the overlay at once; brackets are positions in a list."""
        words = [
            word
            for field, value in fields.items()
            for word in ("--plaintext", f"{HOSPITALS}.{hospital}.{field}={value}")
        ]
        self._ask("config", "set-all", *self._this, "--path", *words)

    def unset_field(self, hospital: str, field: str) -> None:
        """Remove a field of the hospital from the overlay."""
        self._ask("config", "rm", *self._this, "--path", f"{HOSPITALS}.{hospital}.{field}")


def _is_pulumi(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        return "pulumi" in psutil.Process(pid).name()
    except psutil.Error:
        return False


def explain(output: str, home: Home) -> str:
    """Return an error of Pulumi as one sentence with the fix."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if "incorrect passphrase" in output:
        return (
            f"{OVERLAY}/{settings.CONFIG.name} was encrypted with another passphrase than the one in "
            f"{home.pulumi / 'passphrase'}: remove the file if it holds no secret, or put the right passphrase there."
        )
    return lines[-1] if lines else "pulumi failed without a message"
