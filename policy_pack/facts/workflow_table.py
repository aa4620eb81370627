"""The tables of workflows and of routes, read as data: what each use of a release is for, and which requests are it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from policy_pack import tables
from policy_pack.facts.exposure.model_paths import is_same
from policy_pack.facts.zone_table import WORKLOADS

TABLE = WORKLOADS.parents[1] / "services" / "workflows.yaml"
ROUTES = WORKLOADS.parent / "serving" / "routes.yaml"
_SENSITIVITY = ("none", "curated", "raw")
_MODES = ("synchronous", "queued")


def sensitivity(data_class: str) -> int:
    """Return the rank of a class of data: 0 for none, 1 for curated, 2 for raw."""
    return _SENSITIVITY.index(data_class)


@dataclass(frozen=True)
class Workflow:
    """A use that is made of a release or of its scores; ``services/workflows.yaml`` documents the fields.

    Parameters
    ----------
    name, consumer, data, influence, mode, purpose, owner
        As in the table.
    evidence
        What the audit keeps of each request.
    release
        The class of release that may answer; empty where none is asked.
    """

    name: str
    consumer: str
    data: str
    influence: str
    mode: str
    purpose: str
    evidence: tuple[str, ...]
    release: str
    owner: str

    @property
    def queued(self) -> bool:
        """Whether a broker must answer; without one the gateway answers 501."""
        return self.mode == "queued"


@dataclass(frozen=True)
class RouteRow:
    """A route of a hospital's gateway; ``workloads/serving/routes.yaml`` documents the fields.

    Parameters
    ----------
    name, workflow, data
        As in the table.
    account
        ServiceAccount of the workload that answers, which is the label of its pods; empty where none does.
    requests
        Methods and paths; a path that ends in ``/`` is a prefix, and ``{model}`` in one stands for any further model.
    """

    name: str
    workflow: str
    data: str
    account: str
    requests: frozenset[tuple[str, str]]

    def covers(self, method: str, kind: str, path: str) -> bool:
        """Return whether all requests that a match of an HTTPRoute matches are requests of this route."""
        return any(method == own and _covers(declared, kind, path) for own, declared in self.requests)


def _covers(declared: str, kind: str, path: str) -> bool:
    if kind not in ("Exact", "PathPrefix") or ".." in path:
        return False
    if declared.endswith("/"):
        return path == declared.removesuffix("/") or path.startswith(declared)
    return kind == "Exact" and is_same(declared, path)


@dataclass(frozen=True)
class WorkflowTable:
    """Workflows by name, and the routes of each hospital's gateway."""

    workflows: dict[str, Workflow]
    routes: tuple[RouteRow, ...]

    def route(self, method: str, kind: str, path: str) -> RouteRow | None:
        """Return the route whose requests a match of an HTTPRoute matches; None where no single one has them all."""
        return next((row for row in self.routes if row.covers(method, kind, path)), None)


def read(path: Path, routes: Path = ROUTES, workloads: Path = WORKLOADS) -> WorkflowTable:
    """Read the tables of workflows, routes and workloads.

    Raises
    ------
    PackError
        When a file cannot be read or is not such a table.
    """
    return tables.read(_table, path, routes, workloads)


def _table(workflows: Any, routes: Any, workloads: Any) -> WorkflowTable:
    accounts = {name: str(row["service_account"]) for name, row in workloads["workloads"].items()}
    return WorkflowTable(
        {name: _workflow(name, row) for name, row in workflows["workflows"].items()},
        tuple(_route(name, row, accounts) for name, row in routes["routes"].items()),
    )


def _workflow(name: str, row: Any) -> Workflow:
    texts = {field: str(row[field]) for field in ("consumer", "data", "influence", "mode", "purpose", "owner")}
    sensitivity(texts["data"])
    _MODES.index(texts["mode"])
    return Workflow(name=name, evidence=tuple(map(str, row["evidence"])), release=str(row["release"] or ""), **texts)


def _route(name: str, row: Any, accounts: dict[str, str]) -> RouteRow:
    sensitivity(row["data"])
    workload = row.get("workload")
    account = accounts[workload] if workload else ""
    return RouteRow(name, str(row["workflow"]), str(row["data"]), account, frozenset(_requests(row["paths"])))


def _requests(paths: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    for method, listed in paths.items():
        yield from ((str(method), str(path)) for path in listed)


@cache
def workflow_table() -> WorkflowTable:
    """Return the project's tables of workflows and routes."""
    return read(TABLE)
