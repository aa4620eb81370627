"""Where the evidence comes from: a stack's state, with every secret closed."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from policy_pack.errors import PackError
from policy_pack.stack import state
from policy_pack.stack.graph import Graph, canonical
from policy_pack.stack.stack_config import PROJECT
from policy_pack.stack.wire import SECRET, SIGNATURE

_CLOSED = {SIGNATURE: SECRET, "ciphertext": ""}
_SECRET_FIELDS = ("data", "stringData")


@dataclass(frozen=True)
class Source:
    """A stack as its state has it.

    Parameters
    ----------
    graph
        Its resources.
    changed
        By URN the time of the last change, as far as the state tells.
    """

    graph: Graph
    changed: Mapping[str, str]


def read(stack: str, file: Path | None = None) -> Source:
    """Read a stack's state from the engine, or from a file that it wrote.

    Raises
    ------
    PackError
        When the stack is not there, or the state is another stack's or none at all.
    """
    entries = state.entries(file) if file else _exported(stack)
    shut = [_without_secrets(entry) for entry in entries]
    graph = state.graph(shut, str(file or "the state"))
    if not len(graph):
        raise PackError(f"Stack {stack} has no resources; run pulumi up --stack {stack} first.")
    if graph.stack != stack:
        raise PackError(f"{file or 'The state'} is of stack {graph.stack} and not of {stack}; name that stack.")
    changed = {str(entry["urn"]): _time(entry) for entry in shut if not entry.get("delete")}
    return Source(graph, changed)


def _exported(stack: str) -> list[Mapping[str, Any]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "state.json"
        command = ["pulumi", "stack", "export", "--stack", stack, "--file", str(path)]
        try:
            done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        except OSError:
            raise PackError(
                "pulumi is not on the PATH; put it there, or name an exported state with --state."
            ) from None
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("error: ").rstrip(".")
            raise PackError(f"pulumi cannot export stack {stack} ({said}); name a stack that pulumi stack ls lists.")
        return state.entries(path)


def _without_secrets(entry: Any) -> Any:
    """Return a resource whose secrets are closed, also where they were exported in plain text."""
    if not isinstance(entry, Mapping):
        return entry
    shut = dict(_shut(entry))
    if canonical(str(shut.get("type"))) == "k8s:core/Secret":
        for side in ("inputs", "outputs"):
            given = shut.get(side)
            if isinstance(given, Mapping):
                shut[side] = {key: _CLOSED if key in _SECRET_FIELDS else value for key, value in given.items()}
    return shut


def _shut(value: Any) -> Any:
    if isinstance(value, list):
        return [_shut(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if value.get(SIGNATURE) == SECRET:
        return _CLOSED
    return {key: _shut(item) for key, item in value.items()}


def _time(entry: Mapping[str, Any]) -> str:
    """Return the second of the last change, in the state's own words."""
    written = str(entry.get("modified") or entry.get("created") or "")
    return f"{written[:19]}Z" if len(written) >= 19 else written


def plain(value: Any) -> str:
    """Return a report as JSON text, the same for the same report."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
