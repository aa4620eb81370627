"""Audit devices of a Vault server: those that a stack's configuration declares, and their normal form."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from posixpath import normpath
from typing import Any

from policy_pack.errors import PackError
from policy_pack.stack import stack_config
from policy_pack.stack.values import UNKNOWN, NotKnownError

_FILE = "file_path"


@dataclass(frozen=True)
class AuditDevice:
    """One audit device.

    Parameters
    ----------
    name
        The name, which is its path below ``sys/audit``.
    type
        The type, such as ``file``.
    options
        The options and their values as text, sorted.
    """

    name: str
    type: str
    options: tuple[tuple[str, str], ...]

    def option(self, name: str) -> str:
        """Return an option; empty where it is not set."""
        return dict(self.options).get(name, "")

    @property
    def target(self) -> tuple[str, str]:
        """What the device writes to, such as a file; devices with the same target fail together."""
        place = self.option(_FILE)
        return self.type, normpath(place) if place else self.option("address") or self.option("tag")

    def like(self, declared: "AuditDevice") -> "AuditDevice":
        """Return this device with the path as declared, where that is relative to the folder of the server."""
        written, actual = declared.option(_FILE), self.option(_FILE)
        if not written or written.startswith("/") or not actual.endswith(f"/{normpath(written)}"):
            return self
        return AuditDevice(self.name, self.type, tuple(sorted({**dict(self.options), _FILE: written}.items())))


def device(name: str, kind: Any, options: Any) -> AuditDevice:
    """Return an audit device from its name, its type and its options, which may have any form."""
    values = options if isinstance(options, Mapping) else {"options": options} if options else {}
    texts = {str(key): _text(value) for key, value in values.items()}
    return AuditDevice(name.strip("/"), _text(kind), tuple(sorted(texts.items())))


def read(config: Mapping[str, Any]) -> tuple[AuditDevice, ...]:
    """Return the devices in a stack's configuration; its keys may have the prefix of the project.

    Raises
    ------
    PackError
        When they are not a list of maps.
    """
    vault = stack_config.merged({}, config).get("vault") or {}
    entries = vault.get("auditDevices") or () if isinstance(vault, Mapping) else vault
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, Mapping) for entry in entries):
        raise PackError("vault.auditDevices must be a list of devices with name, type and options.")
    return tuple(device(_text(entry.get("name")), entry.get("type", "file"), entry.get("options")) for entry in entries)


def digest(devices: Iterable[AuditDevice]) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of a list of devices, in any order."""
    rows = sorted((one.name, one.type, list(one.options)) for one in devices)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]


def _text(value: Any) -> str:
    if value is UNKNOWN:
        raise NotKnownError
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
