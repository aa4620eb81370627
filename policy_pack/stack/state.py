"""Reader of exported states (``pulumi stack export``), without engine or AWS account."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policy_pack.clock import of_timestamps
from policy_pack.errors import PackError
from policy_pack.stack.graph import Graph, Resource
from policy_pack.stack.values import UNKNOWN
from policy_pack.stack.wire import SECRET, SIGNATURE


def read(path: Path) -> Graph:
    """Read a state file; raises `PackError` when it cannot be read or is not a state."""
    deployment = _deployment(path)
    time = (deployment.get("manifest") or {}).get("time") if isinstance(deployment.get("manifest"), Mapping) else ""
    return graph(list(deployment["resources"]), str(path), str(time or ""))


def entries(path: Path) -> list[Mapping[str, Any]]:
    """Return the resources of a state file as written; raises `PackError` as `read` does."""
    return list(_deployment(path)["resources"])


def _deployment(path: Path) -> Mapping[str, Any]:
    """Return the deployment of a state file; the file of a backend wraps it in a checkpoint."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise PackError(f"{path} cannot be read ({error.strerror}); create it with pulumi stack export.") from None
    except (ValueError, RecursionError):
        raise PackError(f"{path} is not JSON; create it with pulumi stack export.") from None
    for steps in (("checkpoint", "latest"), ("deployment",)):
        value = document
        for step in steps:
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, Mapping) and isinstance(value.get("resources"), list):
            return value
    raise PackError(f"{path} has no stack; create it with pulumi stack export.")


def graph(resources: list[Mapping[str, Any]], where: str = "the state", time: str = "") -> Graph:
    """Return the graph of a state's resources that an update evaluates.

    Resources that are pending deletion, and those that the program only reads, are not part of it.

    Parameters
    ----------
    resources
        The resources of a state, as written.
    where
        The name of the state in messages.
    time
        When the state was written.

    Raises
    ------
    PackError
        When a resource has another form than that of a state, or two have the same URN.
    """
    try:
        current = [entry for entry in resources if not entry.get("delete") and not entry.get("external")]
        providers = {f"{entry['urn']}::{entry.get('id', '')}": entry.get("inputs") or {} for entry in current}
        timestamps = [time, *(str(entry.get(key) or "") for entry in resources for key in ("created", "modified"))]
        changed = of_timestamps(timestamps, "the stack was changed")
        stack = Graph([_resource(entry, providers) for entry in current], changed=changed)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        raise PackError(f"{where} has a resource that is not complete; export the stack again.") from None
    urns = Counter(resource.urn for resource in stack)
    if len(urns) < len(stack):
        raise PackError(f"{where} has two resources {urns.most_common(1)[0][0]}; export the stack again.")
    return stack


def _resource(entry: Mapping[str, Any], providers: Mapping[str, Mapping[str, Any]]) -> Resource:
    if not isinstance(entry["urn"], str) or not isinstance(entry["type"], str):
        raise TypeError("urn and type are text")
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
        depends={key: tuple(map(str, urns or ())) for key, urns in (entry.get("propertyDependencies") or {}).items()},
        parent=str(entry.get("parent") or ""),
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
