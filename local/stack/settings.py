"""Settings of the environment's stack: the project's file, and the overlay that the engine writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.errors import UserError
from local.paths import REPOSITORY, Home

PROJECT = "healthcare-mlops"
STACK = "dev"
CONFIG = REPOSITORY / f"Pulumi.{STACK}.yaml"
OVERLAY = "overlay"
"""The folder of the engine's own files of stacks (``stackConfigDir`` of Pulumi.yaml)."""
HOSPITALS = f"{PROJECT}:hospitals"
GATEWAY = f"{PROJECT}:gateway"
ACTIVE = "release"
ROLES = (ACTIVE, "canary", "shadow", "previous")
"""The fields of a hospital's entry that name releases of its first model."""
MODELS = "models"
"""The field that has further models, each with a release and the programs that may ask it."""
RELEASE_FIELDS = (*ROLES, MODELS)
"""All fields of an entry that name releases."""


@dataclass(frozen=True)
class StackSettings:
    """Settings of a stack, as its files have them.

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

    @property
    def overlay(self) -> Path:
        """Overlay: the engine's own file of the stack."""
        return self.config.parent / OVERLAY / self.config.name

    @property
    def kept(self) -> Path:
        """File in the environment to which the overlays of all clones are linked."""
        return self.home.pulumi / self.config.name

    def declared(self) -> list[dict[str, Any]]:
        """Return the hospitals' entries of the project's file."""
        return list(section(self.config)[HOSPITALS])

    @property
    def gateway(self) -> dict[str, Any]:
        """The settings of gateways in the project's file; empty without any."""
        return dict(section(self.config).get(GATEWAY) or {})

    @property
    def has_gateway(self) -> bool:
        """Whether it declares a gateway, through which EHRs and people reach hospitals' services."""
        return bool(self.gateway)

    def reaches_care(self, entry: Mapping[str, Any]) -> bool:
        """Return whether an EHR and people reach a hospital of the stack."""
        return self.has_gateway and bool(entry.get("ehr")) and bool(entry.get("signIn"))

    def hospitals(self) -> list[dict[str, Any]]:
        """Return the hospitals' entries, merged with the overlay."""
        over = (section(self.overlay) if self.overlay.exists() else {}).get(HOSPITALS) or {}
        return [{**entry, **(over.get(entry["name"]) or {})} for entry in self.declared()]

    def working(self) -> list[dict[str, Any]]:
        """Return the entries of the hospitals that are not leaving."""
        return [entry for entry in self.hospitals() if not entry.get("leaving")]

    def named(self, hospital: str) -> dict[str, Any]:
        """Return the entry of a hospital that is not leaving.

        Raises
        ------
        UserError
            If there is none of this name, with the names that there are.
        """
        entries = {entry["name"]: entry for entry in self.working()}
        if hospital not in entries:
            raise UserError(
                f"There is no hospital {hospital or '(none named)'}: set HOSPITAL= to {' or '.join(entries)}."
            )
        return entries[hospital]


def releases_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the first model's releases of a hospital's entry by role."""
    named = {role: entry[role] for role in ROLES if entry.get(role)}
    return {role: str(one["release"] if isinstance(one, Mapping) else one) for role, one in named.items()}


def further_models(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the releases of the further models of a hospital's entry, by the model's name."""
    return {str(model["name"]): str(model["release"]) for model in entry.get(MODELS) or ()}


def programs_of(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the programs of a hospital's entry, those of its further models last."""
    further = [name for model in entry.get(MODELS) or () for name in model["applications"]]
    return tuple(dict.fromkeys((*(entry.get("applications") or ()), *further)))


def link_overlay(home: Home) -> None:
    """Link this clone's overlay of the dev stack to the environment's file, which all clones share.

    An existing file, such as for the user's own cluster, is kept.
    """
    kept, link = StackSettings(home).kept, CONFIG.parent / OVERLAY / CONFIG.name
    if link.is_symlink() and link.readlink() != kept:
        link.unlink()
    if not link.is_symlink() and not link.exists():
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(kept)


def remove_state(home: Home) -> None:
    """Remove the clone's overlay together with the home that has its file."""
    link = CONFIG.parent / OVERLAY / CONFIG.name
    if link.is_symlink() and link.readlink() == StackSettings(home).kept:
        link.unlink()


def require_local_cluster() -> None:
    """Check that the stack is configured for the embedded cluster.

    Raises
    ------
    UserError
        If the stack's file names another cluster.
    """
    overlay = CONFIG.parent / OVERLAY / CONFIG.name
    config = {**section(CONFIG), **(section(overlay) if overlay.exists() else {})}
    chosen = config.get(f"{PROJECT}:cluster", "local")
    if chosen != "local":
        raise UserError(
            f"{CONFIG.name} says `cluster: {chosen}`, and `make up` starts the local one: "
            f"set it to local, or point KUBECONFIG at your {chosen} cluster and run `pulumi up` yourself."
        )


def section(file: Path) -> dict[str, Any]:
    """Return the ``config`` section of a stack's file."""
    content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    return dict(content.get("config") or {})
