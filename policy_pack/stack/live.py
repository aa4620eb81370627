"""Live permissions: what Vault, AWS and the cluster have at the moment, beside a state."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from policy_pack.stack.audit_devices import AuditDevice
from policy_pack.stack.graph import Resource

VAULT, AWS = "Vault", "AWS"


@dataclass(frozen=True, order=True)
class Permission:
    """One object of a server that gives somebody a permission.

    Parameters
    ----------
    server
        `VAULT` or `AWS`.
    kind, name
        The kind, such as ``policy``, and the name on the server.
    content
        The content in a normal form; empty where only the existence is compared.
    """

    server: str
    kind: str
    name: str
    content: str = field(default="", compare=False)

    @property
    def label(self) -> str:
        """The text for a reader."""
        return f"{self.server} {self.kind} {self.name}"


@dataclass(frozen=True)
class Live:
    """Objects read from the live servers; None where a server was not read.

    Parameters
    ----------
    audit_devices
        The audit devices of Vault.
    vault, aws
        The permissions of each server.
    cluster
        The objects of the cluster.
    """

    audit_devices: tuple[AuditDevice, ...] | None = None
    vault: tuple[Permission, ...] | None = None
    aws: tuple[Permission, ...] | None = None
    cluster: tuple[Resource, ...] | None = None


def normal(value: Any) -> Any:
    """Return a JSON value in a normal form: lists sorted, and a list of one item as this item."""
    if isinstance(value, Mapping):
        return {str(key): normal(item) for key, item in sorted(value.items())}
    if isinstance(value, list | tuple):
        items = sorted((normal(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
        return items[0] if len(items) == 1 else items
    return value


def document(value: Any) -> str:
    """Return a policy document, given as text or as a value, in a normal form."""
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return str(value).strip()
    return json.dumps(normal(parsed), sort_keys=True)


def policy_text(text: str) -> str:
    """Return a Vault policy without the white space around its lines."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())
