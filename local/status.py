"""Status of the environment, of its parts and hospitals, for ``make status``."""

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import requests
from kubernetes.client.exceptions import ApiException
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from urllib3.exceptions import HTTPError

from local.cluster import audit_devices, host
from local.cluster.part import Part
from local.cluster.parts import NETPOL_HEALTH_URL, parts
from local.cluster.supervision import Supervisor
from local.hospitals import worklist_status
from local.hospitals.hospital_status import Cluster, Finding, findings, reader
from local.hospitals.served import Served, served
from local.paths import Home
from local.stack import jobs
from local.stack.stack import Stack
from local.tools import build
from local.tools.catalogue import GO_TOOLS

_API = ("kube-apiserver", "etcd")
_STORAGE = "aws"
_VAULT = "openbao"
# Width if the output is not a terminal, such as a file.
_WIDTH = 160
NOT_RUNNING = "The environment is not running: run `make up`."


@dataclass(frozen=True)
class Row:
    """Status of one part of the environment.

    Parameters
    ----------
    name, role, address
        What it is, and where it listens.
    uptime_seconds
        How long its process has been running.
    problem, advice
        What is wrong and what helps; empty where it is healthy.
    """

    name: str
    role: str
    address: str
    uptime_seconds: int
    problem: str
    advice: str = ""


@dataclass(frozen=True)
class Status:
    """Status of the environment: whether it runs, its parts and its hospitals."""

    running: bool
    parts: tuple[Row, ...] = ()
    hospitals: tuple[Finding, ...] = ()

    @property
    def problems(self) -> list[tuple[str, str, str]]:
        """Problems: subject, description and advice."""
        if not self.running:
            return [("environment", NOT_RUNNING, "make up")]
        return [(row.name, row.problem, row.advice) for row in self.parts if row.problem] + [
            (f"{one.hospital} {one.subject}", one.problem, one.advice) for one in self.hospitals if one.problem
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"well": not self.problems, **asdict(self)}


def status(home: Home) -> Status:
    """Check everything; failures that follow from a part that does not respond are not listed separately."""
    supervisor = Supervisor(home)
    if not home.pki.exists() or not supervisor.running():
        return Status(running=False)
    states = supervisor.states()
    all_parts = parts(home, {tool.name: build.folder(tool) for tool in GO_TOOLS})
    rows = [_row(home, part, states.get(name)) for name, part in all_parts.items()]
    answering = {row.name for row in rows if not row.problem}
    if "netpol" in answering:
        rows += _closed_policies()
    if _VAULT in answering:
        rows += _audit_devices(home)
    hospitals = _hospitals(home) if answering.issuperset((*_API, _STORAGE)) else []
    return Status(True, tuple(rows), tuple(hospitals))


def _row(home: Home, part: Part, state: dict[str, object] | None) -> Row:
    address = ", ".join(f"{ip}:{port}" for ip, port in part.ports[:1]) or "socket"
    advice = f"`make logs NAME={part.name}` shows why; `make up` starts it again"
    if state is None or state["statename"] != "RUNNING":
        problem = str(state["statename"]).lower() if state else "not running"
        return Row(part.name, part.role, address, 0, problem, advice)
    uptime = int(str(state["now"])) - int(str(state["start"]))
    problem = part.healthy(home)
    return Row(part.name, part.role, address, uptime, problem, advice if problem else "")


def _closed_policies() -> list[Row]:
    """Return the NetworkPolicies that the enforcer closed, by its health endpoint."""
    try:
        lines = requests.get(NETPOL_HEALTH_URL, timeout=3).text.splitlines()
    except requests.RequestException:
        return []
    advice = "correct the named field; `kubectl describe networkpolicy` shows the Event"
    return [Row("netpol", "NetworkPolicy", "", 0, line, advice) for line in lines[1:]]


def _audit_devices(home: Home) -> list[Row]:
    """Return the audit devices of OpenBao as a part, if they are not those of its configuration."""
    problem = audit_devices.problem(home)
    return [Row(_VAULT, "audit devices", "", 0, problem, "`make down`, then `make up`")] if problem else []


def _hospitals(home: Home) -> list[Finding]:
    stack = Stack(home)
    entries = stack.hospitals()
    reached = [entry["name"] for entry in stack.working() if stack.reaches_care(entry)]
    worklists = [worklist_status.finding(home, name) for name in reached]
    models: dict[str, list[Served]] = {}
    for model in served(home):
        models.setdefault(model.hospital, []).append(model)
    try:
        with jobs.connect(home) as api:
            return [*findings(Cluster.read(reader(api)), entries, models), *worklists]
    except (ApiException, HTTPError, ValueError) as error:
        problem = f"the Kubernetes API cannot be read ({type(error).__name__})"
        return [Finding("all", "hospitals", problem=problem, advice="`make logs NAME=kube-apiserver`")]


def show(home: Home, environment: Status) -> None:
    """Print the parts, the hospitals, and the advice for each problem."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    if not environment.running:
        console.print(NOT_RUNNING)
        return
    console.print(_table(("PART", "WHAT", "WHERE", "UP", "HEALTH"), map(_part, environment.parts)))
    if environment.hospitals:
        console.print()
        console.print(_table(("HOSPITAL", "WHAT", "STATE"), map(_hospital, environment.hospitals)))
    memory = sum(host.memory().values()) / 2**30
    console.print(f"\nmemory {memory:.1f} GiB, data in {home.root}", soft_wrap=True)
    for where, problem, advice in environment.problems:
        console.print(f"[red]not well[/]  {escape(f'{where}: {problem}; {advice}')}", soft_wrap=True)


def _part(row: Row) -> tuple[str, ...]:
    uptime = f"{row.uptime_seconds} s" if row.address else ""
    return row.name, row.role, row.address, uptime, _coloured(row.problem, "healthy")


def _hospital(one: Finding) -> tuple[str, ...]:
    return one.hospital, one.subject, _coloured(one.problem, one.state)


def _coloured(problem: str, state: str) -> str:
    if problem:
        return "[red]not well[/]"
    return f"[{'bold yellow' if state.startswith('not evaluated') else 'green'}]{escape(state)}[/]"


def _table(columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    return table
