"""Base class of the resource plugins: a provider in plain Python with dictionaries.

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
    """Error of an operation, shown to the user as one sentence."""


class InitError(PluginError):
    """Error: an object was created but did not become ready; its state is kept, and the update fails.

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
    """Request of the engine for one resource; fields that a call does not use are empty.

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
    """Result of check: inputs with defaults and names, or failures."""

    inputs: Props
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class Created:
    """Result of create."""

    id: str
    state: Props


@dataclass(frozen=True)
class Read:
    """Result of read; an empty ``id`` means that the object does not exist."""

    id: str = ""
    state: Props = field(default_factory=dict)
    inputs: Props = field(default_factory=dict)


class Provider(ABC):
    """Base class of providers: override the supported operations."""

    name: str
    version: str

    def __init__(self) -> None:
        self.config: Props = {}

    # --- the provider itself -------------------------------------------------------------
    def schema(self) -> str:
        """Return the package schema as JSON; by default without types."""
        return json.dumps({"name": self.name, "version": self.version})

    def check_config(self, request: Request) -> Checked:
        """Validate the configuration of a provider resource."""
        return Checked(request.inputs)

    def diff_config(self, request: Request) -> Diff:
        """Compare two configurations; a change never requires a replacement."""
        return Diff(differences(request.old_inputs, request.inputs))

    def configure(self, config: Props) -> None:
        """Set the configuration; connect lazily, so that a preview works without a server."""
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
        """Create the object; in a preview, return the outputs that are known, with an empty id."""

    @abstractmethod
    def read(self, request: Request) -> Read:
        """Return the current object."""

    @abstractmethod
    def update(self, request: Request) -> Props:
        """Update the object in place and return its state."""

    @abstractmethod
    def delete(self, request: Request) -> None:
        """Delete the object; a missing one is not an error."""

    def invoke(self, token: str, args: Props) -> Props:
        """Handle a function call of the program; by default there are no functions."""
        raise PluginError(
            f"the embedded {self.name} plugin does not support the function {token} of {len(args)} arguments"
        )


def decode_config(config: Mapping[str, Any]) -> Props:
    """Decode the JSON that SDKs use for configuration values other than strings."""
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
