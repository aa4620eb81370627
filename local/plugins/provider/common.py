"""What the resource plugins share: a provider as plain Python over dictionaries.

A plugin subclasses :class:`Provider`, fills in ``check``, ``diff``, ``create``, ``read``,
``update`` and ``delete``, and calls :func:`run`. It sees plain values; this module keeps
secrets secret on the way in and out, talks gRPC, and turns errors into one sentence.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.plugins.provider.diffs import Diff, Kind, differences, path_text, under
from local.plugins.provider.engine_log import EngineLog, Log
from local.plugins.provider.values import (
    UNKNOWN,
    Path,
    Props,
    Special,
    Unknown,
    Values,
    has_unknowns,
    project_secrets,
    unwrap,
    wrap,
)

__all__ = [
    "UNKNOWN",
    "Checked",
    "Created",
    "Diff",
    "EngineLog",
    "Failure",
    "InitError",
    "Kind",
    "Log",
    "Path",
    "PluginError",
    "Props",
    "Provider",
    "Read",
    "Request",
    "Special",
    "Unknown",
    "Values",
    "decode_config",
    "differences",
    "flag",
    "has_unknowns",
    "path_text",
    "project_secrets",
    "under",
    "unwrap",
    "wrap",
]


class PluginError(Exception):
    """An operation failed; the text is what the user reads, in one sentence."""


class InitError(PluginError):
    """An object exists but did not become ready; its state is kept, and the update fails.

    Parameters
    ----------
    reasons
        What is wrong, one sentence each, the most general first.
    state
        The object as it is now.
    id
        Its id.
    """

    def __init__(self, reasons: list[str], state: Props, *, id: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons
        self.state = state
        self.id = id


@dataclass(frozen=True)
class Request:
    """What the engine asks about one resource; a call leaves what it does not use empty.

    Parameters
    ----------
    inputs
        New inputs (check: as the program gave them; later: as check returned them).
    old_inputs, state
        Inputs and outputs as the last operation left them.
    proposed_name
        Name that the engine's autonaming configuration asks for, if any.
    secrets
        Paths of ``inputs`` (for read: of the old inputs) that came in as secrets.
    """

    urn: str
    log: Log
    id: str = ""
    inputs: Props = field(default_factory=dict)
    old_inputs: Props = field(default_factory=dict)
    state: Props = field(default_factory=dict)
    preview: bool = False
    random_seed: bytes = b""
    proposed_name: str = ""
    autoname: bool = True
    ignore_changes: tuple[str, ...] = ()
    secrets: frozenset[Path] = frozenset()

    @property
    def type(self) -> str:
        """Type token, such as ``aws:s3/bucket:Bucket``."""
        return self.urn.split("::")[2].split("$")[-1]

    @property
    def name(self) -> str:
        """Logical name of the resource."""
        return self.urn.split("::", 3)[3]


@dataclass(frozen=True)
class Failure:
    """One invalid input."""

    property: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """Inputs with defaults and names filled in, or what is wrong with them."""

    inputs: Props
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class Created:
    """A new object."""

    id: str
    state: Props


@dataclass(frozen=True)
class Read:
    """An object as it is; an empty ``id`` says that it is gone."""

    id: str = ""
    state: Props = field(default_factory=dict)
    inputs: Props = field(default_factory=dict)


class Provider(ABC):
    """Base of the plugins: override what the plugin supports."""

    name: str
    version: str

    def __init__(self) -> None:
        self.config: Props = {}

    # --- the provider itself -------------------------------------------------------------
    def check_config(self, request: Request) -> Checked:
        """Validate the configuration of a provider resource."""
        return Checked(request.inputs)

    def diff_config(self, request: Request) -> Diff:
        """Compare two configurations; a change of configuration replaces nothing."""
        return Diff(differences(request.old_inputs, request.inputs))

    def configure(self, config: Props) -> None:
        """Take the configuration; connect lazily, so that a preview works without a server."""
        self.config = config

    # --- resources -----------------------------------------------------------------------
    def secret_paths(self, _request: Request) -> Iterable[Path]:
        """Return output paths that are always secret for this resource."""
        return ()

    def check(self, request: Request) -> Checked:
        """Fill in defaults and names."""
        return Checked(request.inputs)

    def diff(self, request: Request) -> Diff:
        """Compare ``old_inputs`` and ``state`` with ``inputs``."""
        return Diff(differences(request.old_inputs, request.inputs))

    @abstractmethod
    def create(self, request: Request) -> Created:
        """Make the object; at preview, return what can be foretold with an empty id."""

    @abstractmethod
    def read(self, request: Request) -> Read:
        """Return the object as it is now."""

    @abstractmethod
    def update(self, request: Request) -> Props:
        """Change the object in place and return its state."""

    @abstractmethod
    def delete(self, request: Request) -> None:
        """Remove the object; one that is gone already is no error."""

    def invoke(self, token: str, args: Props) -> Props:
        """Answer a function call of the program; a plugin without functions knows none."""
        raise PluginError(
            f"the embedded {self.name} plugin does not know the function {token} of {len(args)} arguments"
        )


def decode_config(config: Mapping[str, Any]) -> Props:
    """Undo the JSON encoding that SDKs apply to configuration values that are not strings."""
    decoded: Props = {}
    for key, value in config.items():
        decoded[key] = value
        if isinstance(value, str) and value[:1] in ("{", "["):
            try:
                decoded[key] = json.loads(value)
            except ValueError:
                decoded[key] = value
    return decoded


def flag(config: Mapping[str, Any], key: str, default: bool = False) -> bool:
    """Return a configuration switch, which SDKs send as a boolean or as text."""
    value = config.get(key, default)
    return value.strip().lower() in ("true", "1") if isinstance(value, str) else bool(value)
