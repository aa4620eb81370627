"""Reader of exported states (``pulumi stack export``), without engine or AWS account."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policy_pack.errors import PackError
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import UNKNOWN
from policy_pack.stack.wire import SECRET, SIGNATURE


def read(path: Path) -> Graph:
    """Read a state file; raises `PackError` when it cannot be read or is not a state."""
    return graph(entries(path), str(path))


def entries(path: Path) -> list[Mapping[str, Any]]:
    """Return the resources of a state file as written.

    Raises
    ------
    PackError
        When the file cannot be read or is not a state.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise PackError(f"{path} cannot be read ({error.strerror}); create it with pulumi stack export.") from None
    except ValueError:
        raise PackError(f"{path} is not JSON; create it with pulumi stack export.") from None
    # The file of a backend wraps the deployment in a checkpoint.
    latest = (document.get("checkpoint") or {}).get("latest") if isinstance(document, dict) else None
    deployment = latest or (document.get("deployment") if isinstance(document, dict) else None)
    if not isinstance(deployment, dict) or not isinstance(deployment.get("resources"), list):
        raise PackError(f"{path} has no stack; create it with pulumi stack export.")
    return list(deployment["resources"])


def graph(resources: list[Mapping[str, Any]], where: str = "the state") -> Graph:
    """Return the graph of a state's resources that an update evaluates.

    Resources that are pending deletion, and those that the program only reads, are not part of it.
    """
    try:
        current = [entry for entry in resources if not entry.get("delete") and not entry.get("external")]
        providers = {f"{entry['urn']}::{entry.get('id', '')}": entry.get("inputs") or {} for entry in current}
        return Graph(_resource(entry, providers) for entry in current)
    except (KeyError, TypeError, AttributeError):
        raise PackError(f"{where} has a resource without urn or type; export the stack again.") from None


def _resource(entry: Mapping[str, Any], providers: Mapping[str, Mapping[str, Any]]) -> Resource:
    secrets: set[str] = set()
    values = {**(entry.get("inputs") or {}), **(entry.get("outputs") or {})}
    props = {key: _plain(value, key, secrets) for key, value in values.items()}
    if entry.get("id"):
        props.setdefault("id", entry["id"])
    return Resource(
        urn=entry["urn"],
        type=entry["type"],
        name=entry["urn"].rpartition("::")[2],
        props=props,
        secrets=frozenset(secrets),
        depends={key: tuple(urns or ()) for key, urns in (entry.get("propertyDependencies") or {}).items()},
        parent=entry.get("parent") or "",
        provider=providers.get(entry.get("provider") or "", {}),
        protect=bool(entry.get("protect") or entry.get("retainOnDelete")),
    )


def _plain(value: Any, path: str, secrets: set[str]) -> Any:
    if isinstance(value, list):
        return [_plain(item, f"{path}[{number}]", secrets) for number, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if value.get(SIGNATURE) == SECRET:
        secrets.add(path)
        # Without the stack's key a secret cannot be decrypted: it exists, and its value is unknown.
        return _plain(json.loads(value["plaintext"]), path, secrets) if "plaintext" in value else UNKNOWN
    return {key: _plain(item, f"{path}.{key}", secrets) for key, item in value.items()}
