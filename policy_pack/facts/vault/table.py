"""The table of requests to Vault, logins and paths (``vault.yaml``)."""

from collections.abc import Mapping
from dataclasses import field
from functools import cache
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from policy_pack import tables

TABLE = Path(__file__).with_name("vault.yaml")
_STRICT = ConfigDict(extra="forbid")


@validated(frozen=True, config=_STRICT)
class Request:
    """A request to Vault: its paths, the capabilities of which one is required, and the verb of the table of access."""

    paths: tuple[str, ...]
    capabilities: frozenset[str]
    verb: str


@validated(frozen=True, config=_STRICT)
class VaultKind:
    """A kind of resource in Vault.

    Parameters
    ----------
    mount, name
        The properties that hold its mount and its name.
    title, place
        What it is called for a reader, and in the table of access.
    requests
        The requests by their verbs in the access matrix.
    uses
        What a request gives to the caller: a login or a certificate with grants of its own.
    """

    mount: str
    name: str
    title: str
    place: str
    requests: Mapping[str, Request]
    uses: str = ""


@validated(frozen=True, config=_STRICT)
class LoginKind:
    """A kind of resource that gives somebody policies; `vault.yaml` describes the fields."""

    policies: tuple[str, ...]
    name: str
    bounds: tuple[str, ...] = ()
    default: bool = False
    globs: tuple[str, ...] = ()
    principal: str = "Vault login"


@validated(frozen=True, config=_STRICT)
class VaultTable:
    """The table."""

    resources: Mapping[str, VaultKind]
    kv: Mapping[str, tuple[str, ...]]
    verbs: Mapping[str, str]
    system_paths: tuple[str, ...]
    own_token: tuple[str, ...]
    logins: Mapping[str, LoginKind]
    policy_properties: tuple[str, ...] = field(default=())
    any_path: tuple[str, ...] = field(default=())


@cache
def table() -> VaultTable:
    """Return the table."""
    return tables.read(TypeAdapter(VaultTable).validate_python, TABLE)
