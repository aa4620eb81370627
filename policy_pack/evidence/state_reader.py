"""Reader of a stack's state for the evidence, with all secrets redacted."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from policy_pack.errors import PackError
from policy_pack.evidence.provenance import digest
from policy_pack.stack import state
from policy_pack.stack.graph import Graph, canonical
from policy_pack.stack.stack_config import PROJECT
from policy_pack.stack.wire import SECRET, SIGNATURE

_REDACTED = {SIGNATURE: SECRET, "ciphertext": ""}
_SECRET_FIELDS = ("data", "stringData")


@dataclass(frozen=True)
class StackState:
    """The state of a stack.

    Parameters
    ----------
    graph
        Its resources.
    changed
        The time of the last change by URN, where the state has it.
    digest
        The digest of its resources, with their secrets redacted.
    """

    graph: Graph
    changed: Mapping[str, str]
    digest: str = ""


def read(stack: str, file: Path | None = None) -> StackState:
    """Read a stack's state from the engine, or from an exported file.

    Raises
    ------
    PackError
        When the stack does not exist, or the file is the state of another stack or not a state.
    """
    entries = state.entries(file) if file else _exported(stack)
    redacted = [_redacted(entry) for entry in entries]
    graph = state.graph(redacted, str(file or "the state"))
    if not len(graph):
        raise PackError(f"Stack {stack} has no resources; run pulumi up --stack {stack} first.")
    if graph.stack != stack:
        raise PackError(
            f"{file or 'The state'} is of stack {graph.stack} and not of {stack}; use --stack {graph.stack}."
        )
    changed = {str(entry["urn"]): _time(entry) for entry in redacted if not entry.get("delete")}
    return StackState(graph, changed, digest(redacted))


def _exported(stack: str) -> list[Mapping[str, Any]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "state.json"
        command = ["pulumi", "stack", "export", "--stack", stack, "--file", str(path)]
        try:
            process = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        except OSError:
            raise PackError("pulumi is not on the PATH; install it, or use an exported state with --state.") from None
        if process.returncode != 0:
            reason = (
                (process.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("error: ").rstrip(".")
            )
            raise PackError(f"pulumi cannot export stack {stack} ({reason}); use a stack that pulumi stack ls lists.")
        return state.entries(path)


def _redacted(entry: Any) -> Any:
    """Return a resource with its secrets redacted, also where they were exported in plain text."""
    if not isinstance(entry, Mapping):
        return entry
    redacted = dict(_redact(entry))
    if canonical(str(redacted.get("type"))) == "k8s:core/Secret":
        for side in ("inputs", "outputs"):
            values = redacted.get(side)
            if isinstance(values, Mapping):
                redacted[side] = {key: _REDACTED if key in _SECRET_FIELDS else value for key, value in values.items()}
    return redacted


def _redact(value: Any) -> Any:
    if isinstance(value, list):
        return [_redact(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if value.get(SIGNATURE) == SECRET:
        return _REDACTED
    return {key: _redact(item) for key, item in value.items()}


def _time(entry: Mapping[str, Any]) -> str:
    """Return the time of the last change, to the second."""
    timestamp = str(entry.get("modified") or entry.get("created") or "")
    return f"{timestamp[:19]}Z" if len(timestamp) >= 19 else timestamp


def to_json(value: Any) -> str:
    """Return a report as JSON text, the same for the same report."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
