"""What the user sees: the final screen of ``make up`` and the table of ``make status``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local import build, host
from local.parts import Part, parts
from local.paths import Home
from local.pki import write_secret
from local.rehearsal import MARKS, Rehearsal, state_file
from local.rollout import HospitalSummary, Summary
from local.served import Served, remark, served
from local.supervision import Supervisor
from local.tools import GO_TOOLS

STORAGE = "aws"
MOST_IN_FULL = 2
"""More hospitals than that are a row each: a screen has 50 lines."""
MOST_ROWS = 25
MOST_REASONS = 3


@dataclass(frozen=True)
class Row:
    """One part as ``make status`` shows it."""

    name: str
    role: str
    address: str
    uptime_seconds: int
    problem: str
    remark: str = ""


def _row(home: Home, part: Part, state: dict[str, object] | None) -> Row:
    address = ", ".join(f"{ip}:{port}" for ip, port in part.ports[:1]) or "socket"
    if state is None or state["statename"] != "RUNNING":
        return Row(part.name, part.role, address, 0, str(state["statename"]).lower() if state else "not running")
    uptime = int(str(state["now"])) - int(str(state["start"]))
    return Row(part.name, part.role, address, uptime, part.healthy(home))


def status(home: Home) -> list[Row]:
    """Return a row a part; empty where the environment was never made."""
    if not home.pki.exists():
        return []
    known = parts(home, {tool.name: build.folder(tool) for tool in GO_TOOLS})
    supervisor = Supervisor(home)
    states = supervisor.states() if supervisor.running() else {}
    rows = [_row(home, part, states.get(name)) for name, part in known.items()]
    answering = supervisor.running() and all(not row.problem for row in rows if row.name == STORAGE)
    return rows + [_served(model) for model in (served(home) if answering else [])]


def _served(model: Served) -> Row:
    """Return the row of a hospital's model: a release that was not evaluated runs, and says so."""
    return Row(model.hospital, f"model {model.release}", "", 0, "", model.remark)


def show_status(home: Home, rows: list[Row]) -> None:
    """Print the table of the parts."""
    console = Console(highlight=False)
    if not rows:
        console.print(f"There is no environment in {home.root} yet: run `make up`.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("PART", "WHAT", "WHERE", "UP", "HEALTH"):
        table.add_column(column)
    for row in rows:
        uptime = f"{row.uptime_seconds} s" if row.address else ""
        table.add_row(row.name, row.role, row.address, uptime, _health(row))
    console.print(table)
    memory = sum(host.memory().values()) / 2**30
    console.print(f"memory {memory:.1f} GiB, data in {home.root}")
    if any(row.problem for row in rows):
        console.print("`make up` restarts what does not run; `make logs NAME=…` shows why.")


def _health(row: Row) -> str:
    if row.problem:
        return f"[red]{row.problem}[/]"
    if row.remark:
        return f"[bold yellow]{row.remark}[/]"
    return "[green]healthy[/]" if row.address else "[green]evaluated[/]"


_FIGURES = {
    "roc_auc": "ROC-AUC",
    "lace_roc_auc": "(LACE alone)",
    "pr_auc": "PR-AUC",
    "brier": "Brier",
    "calibration_slope": "calibration slope",
}


def _figure(value: object) -> str:
    if value is None:
        return "too few to tell"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def show(summary: Summary, home: Home) -> None:
    """Print where everything is, what is served, and what to try next, on one screen; a file has the rest."""
    console = Console(highlight=False)
    file = home.run / "summary.json"
    write_secret(file, json.dumps(summary.as_dict(), indent=2).encode())
    console.print("\n[bold]healthcare-mlops is up[/]\n")
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, url in summary.endpoints.items():
        table.add_row(name, url)
    console.print(table)
    shown = summary.hospitals[:MOST_ROWS]
    if len(shown) <= MOST_IN_FULL:
        for hospital in shown:
            _show_hospital(console, hospital)
    else:
        console.print(_hospitals(shown))
    if len(summary.hospitals) > len(shown):
        console.print(f"and {len(summary.hospitals) - len(shown)} more")
    console.print(
        f"\nall figures and scores: {file}\n"
        'Next: eval "$(make -s env)", then\n'
        "  kubectl get inferenceservice -A\n"
        "  pulumi preview --diff            no changes\n"
        "  pulumi stack output\n"
        "  bao secrets list\n"
        "  make status, make down\n",
        soft_wrap=True,
    )


def _show_hospital(console: Console, hospital: HospitalSummary) -> None:
    console.print(f"\n[bold]{hospital.name}[/]  readmission-risk-v1, release {hospital.release}")
    console.print(f"  {hospital.endpoint}", soft_wrap=True)
    unknown = remark(hospital.metrics)
    if unknown:
        console.print(f"  [bold yellow]{escape(_short(unknown))}[/]", soft_wrap=True)
    figures = [f"{title} {_figure(hospital.metrics.get(key))}" for key, title in _FIGURES.items()]
    console.print("  " + "  ".join(figures), soft_wrap=True)
    score = hospital.score
    patient, risk = str(score.get("patient", ""))[:16], _figure(score.get("risk"))
    console.print(
        f"  patient {patient}: risk {risk}{within(score)} ({score.get('decision')})", markup=False, soft_wrap=True
    )
    if score.get("caution"):
        console.print(f"    caution: {_short(str(score['caution']))}", markup=False, soft_wrap=True)
    for reason in score.get("reasons", [])[:MOST_REASONS]:
        text = reason if isinstance(reason, str) else reason.get("text", reason)
        console.print(f"    - {_short(str(text))}", markup=False, soft_wrap=True)


def _hospitals(hospitals: Sequence[HospitalSummary]) -> Table:
    """Return one row for each hospital."""
    table = Table(box=None, pad_edge=False)
    for column in ("HOSPITAL", "RELEASE", "ROC-AUC", "RISK OF A PATIENT", ""):
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    for one in hospitals:
        risk = f"{_figure(one.score.get('risk'))} ({one.score.get('decision')})"
        told = remark(one.metrics) or str(one.score.get("caution") or "")
        table.add_row(one.name, one.release, _figure(one.metrics.get("roc_auc")), risk, escape(_short(told, 40)))
    return table


def within(score: Mapping[str, Any]) -> str:
    """Return in how many days the risk is one, where the model server says so."""
    days = score.get("return_days")
    return f" within {days} days" if days else ""


def _short(text: str, width: int = 105) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def show_rehearsal(found: Rehearsal) -> None:
    """Print what a rehearsal of production came to, and what of it was only declared."""
    console = Console(highlight=False)
    console.print(f"\n[bold]production rehearsed[/]  {found.resources} resources, a second run would change nothing\n")
    for mark, why in MARKS.items():
        named = found.only_declared[mark]
        console.print(f"{len(named)} checked and not run: {why}")
        for name in named:
            console.print(f"  - {name}", soft_wrap=True)
    console.print(
        "\nNext:\n"
        f"  python -m policy_pack check --state {state_file()} --stack-config Pulumi.prod.yaml\n"
        f"  python -m policy_pack evidence --stack prod --state {state_file()} --out build/evidence\n",
        soft_wrap=True,
    )
