"""Rehearsal of production on this machine, from an empty state.

It uses the real engine, with the AWS API emulator and OpenBao instead
of AWS and Vault, and the embedded cluster instead of an EKS API server.

A rehearsal has a separate home. Only one environment can run at a time, so the everyday one is stopped during a
rehearsal, with its data kept, and started again at the end.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from local import lifecycle
from local.cluster import charts, openbao
from local.cluster.supervision import Supervisor
from local.errors import UserError
from local.paths import BAO_URL, NODE_IP, REPOSITORY, Home
from local.progress import Steps, Tell
from local.stack import environment
from local.stack.settings import PROJECT
from local.stack.stack import Stack

STACK = "prod"
AGAIN = "make rehearse"
SUFFIX = "-rehearsal"
FOLDER = REPOSITORY / "build" / "rehearsal"
_NOT_EMULATED, _NOT_RUN = "notEmulated", "notRun"
MARKS = {
    _NOT_EMULATED: "the AWS API emulator does not support it",
    _NOT_RUN: "an empty chart of its name and version was installed",
}
_RELEASE = "kubernetes:helm.sh/v3:Release"


def home() -> Home:
    """Return the home of rehearsals, next to the everyday one; in a shell of a rehearsal it is set already."""
    usual = Home.default().root
    return Home(usual.with_name(f"{usual.name.removesuffix(SUFFIX)}{SUFFIX}"))


def configuration() -> dict[str, Any]:
    """Return the configuration of production with the rehearsal's Vault, its audit devices, and its authority."""
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / f"Pulumi.{STACK}.yaml").read_text(encoding="utf-8"))
    content["config"][f"{PROJECT}:endpoints"]["vault"] = {"url": BAO_URL, "network": f"{NODE_IP}/32"}
    content["config"][f"{PROJECT}:endpoints"]["postgresql"] = {"authorities": str(home().pki / "ca.crt")}
    content["config"][f"{PROJECT}:vault"] = {
        "auditDevices": [{"name": name, "options": options} for name, options in openbao.audit_options().items()]
    }
    return content


def stack() -> Stack:
    """Return the rehearsal's stack."""
    return Stack(home(), STACK, FOLDER / f"Pulumi.{STACK}.yaml")


@dataclass(frozen=True)
class Rehearsal:
    """Result of a rehearsal.

    Parameters
    ----------
    resources
        How many resources were made.
    unchanged
        Whether a second run would change nothing.
    only_declared
        By mark, the resources that were declared and checked, and do not run here.
    """

    resources: int
    unchanged: bool
    only_declared: Mapping[str, list[str]]

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        return asdict(self)


def only_declared(state: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the resources of a state that were only declared and validated, by mark.

    The aws plugin says it in an output; a release of Helm has an empty chart (``local/cluster/charts.py``).
    """
    resources: dict[str, list[str]] = {mark: [] for mark in MARKS}
    for entry in state["deployment"]["resources"]:
        if (entry.get("outputs") or {}).get(_NOT_EMULATED):
            resources[_NOT_EMULATED].append(entry["urn"].split("::", 2)[2])
        if entry["type"] == _RELEASE:
            resources[_NOT_RUN].append(entry["urn"].split("::", 2)[2])
    return {mark: sorted(names) for mark, names in resources.items()}


def write_configuration() -> None:
    """Write the folder with the stack file of the rehearsal."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    project = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text(encoding="utf-8"))
    # Without a separate configuration folder, the engine writes the salt into the rehearsal's file.
    beside = {key: project[key] for key in ("name", "runtime")}
    (FOLDER / "Pulumi.yaml").write_text(yaml.safe_dump(beside), encoding="utf-8")
    stack().config.write_text(yaml.safe_dump(configuration(), sort_keys=False), encoding="utf-8")


def begin(built: lifecycle.Built, tell: Tell) -> Stack:
    """Start an empty environment and create the stack; the everyday environment is stopped.

    Raises
    ------
    UserError
        If a part does not start.
    """
    usual, own = Home.default(), home()
    end(own, tell)
    if Supervisor(usual).running():
        tell(f"stopping the environment of {usual.root}; its data is kept")
        lifecycle.stop(usual)
        own.root.mkdir(parents=True)
        _stopped(own).touch()
    own.root.mkdir(parents=True, exist_ok=True)
    own.root.chmod(0o700)
    charts.marker(own).touch()
    lifecycle.start(own, built, tell)
    environment.link_commands(own, built.tools)
    write_configuration()
    chosen = stack()
    chosen.select()
    return chosen


def _stopped(own: Home) -> Path:
    return own.root / "stopped-another"


def interrupted() -> bool:
    """Return whether a kept or killed rehearsal has stopped the everyday environment."""
    return _stopped(home()).exists()


def end(own: Home, tell: Tell) -> None:
    """Stop the rehearsal's environment and delete it."""
    if own.root.exists():
        tell("removing the rehearsal")
        lifecycle.stop(own)
        shutil.rmtree(own.root)


def run(built: lifecycle.Built, steps: Steps) -> Rehearsal:
    """Apply production from an empty state, with the policy pack, and check that a second run changes nothing.

    Raises
    ------
    UserError
        If the update fails or is refused, or is not settled afterwards.
    """
    with steps() as tell:
        chosen = begin(built, tell)
    with steps() as tell:
        chosen.up(tell, again=AGAIN)
        tell("checking that a second run changes nothing")
        unchanged = chosen.unchanged()
    state = chosen.exported()
    (FOLDER / "state.json").write_text(json.dumps(state), encoding="utf-8")
    if not unchanged:
        raise UserError(
            "A second `pulumi up` would change something: see `pulumi preview --diff --stack prod` "
            f"with --config-file {chosen.config}."
        )
    return Rehearsal(len(state["deployment"]["resources"]), unchanged, only_declared(state))


def state_file() -> Path:
    """Return the state file of the last rehearsal, for the evidence and for audits."""
    return FOLDER / "state.json"
