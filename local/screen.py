"""Final console output of ``make up`` and ``make rehearse``."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from local.hospitals.discharge import Card, Discharge
from local.hospitals.rollout import HospitalSummary, Summary
from local.hospitals.served import remark
from local.paths import Home
from local.rehearsal.rehearsal import MARKS, Rehearsal, state_file
from local.secret_file import write_secret

MOST_IN_FULL = 2
"""More hospitals than that are a row each: a screen has 50 lines."""
MOST_ROWS = 25
MOST_REASONS = 3
CARD_WIDTH = 100
_INDICATORS = {"info": "green", "warning": "yellow", "critical": "red"}

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
    """Print endpoints, served releases and next steps on one screen; a file has the details."""
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
    if summary.staff:
        console.print(f"\nsign-in of demonstration staff: {summary.staff}", soft_wrap=True)
    console.print(
        f"\nall figures and scores: {file}\n"
        'Next: eval "$(make -s env)", then\n'
        "  kubectl get inferenceservice -A\n"
        "  pulumi preview --diff            no changes\n"
        "  pulumi stack output\n"
        "  bao secrets list\n"
        "  make discharge HOSPITAL=…        the EHR's hook and its card\n"
        "  make status, make down\n",
        soft_wrap=True,
    )


def _show_hospital(console: Console, hospital: HospitalSummary) -> None:
    model = f"readmission-risk-{hospital.release.partition('@')[0]}"
    console.print(f"\n[bold]{hospital.name}[/]  {model}, release {hospital.release}")
    console.print(f"  {hospital.endpoint}", soft_wrap=True)
    unknown = remark(hospital.metrics)
    if unknown:
        console.print(f"  [bold yellow]{escape(_short(unknown))}[/]", soft_wrap=True)
    figures = [f"{title} {_figure(hospital.metrics.get(key))}" for key, title in _FIGURES.items()]
    console.print("  " + "  ".join(figures), soft_wrap=True)
    if hospital.card is None:
        console.print("  no EHR or sign-in in its entry, so nobody reaches a score", soft_wrap=True)
        return
    _show_card(console, hospital.card)
    console.print(f"  worklist  {hospital.worklist}", soft_wrap=True)


def show_discharge(done: Discharge) -> None:
    """Print the cards of a discharge as a clinician reads them, and where the patient is now."""
    console = Console(highlight=False)
    for card in done.cards:
        console.print(card_panel(card))
    if not done.cards:
        console.print("The hook was answered without a card.")
    console.print(
        f"patient {done.patient}, encounter {done.encounter}, on the worklist {done.worklist}",
        markup=False,
        soft_wrap=True,
    )


def card_panel(card: Mapping[str, Any]) -> Panel:
    """Return a card of CDS Hooks: its summary as title, and its detail, which is Markdown."""
    links = ", ".join(str(link.get("label")) for link in card.get("links") or ())
    below = " · ".join(part for part in (str((card.get("source") or {}).get("label") or ""), links) if part)
    style = _INDICATORS.get(str(card.get("indicator")), "red")
    return Panel(
        Markdown(str(card.get("detail") or "")),
        title=Text(str(card.get("summary") or "")),
        subtitle=Text(below),
        border_style=style,
        title_align="left",
        subtitle_align="left",
        width=CARD_WIDTH,
    )


def _show_card(console: Console, card: Card) -> None:
    """Print the summary and the main reasons of a card; `make discharge` shows all of it."""
    if card.problem:
        console.print(f"  [bold yellow]no card:[/] {escape(_short(card.problem))}", soft_wrap=True)
        return
    console.print(f"  card: {_short(str(card.content.get('summary')))}", markup=False, soft_wrap=True)
    reasons = [line for line in str(card.content.get("detail") or "").splitlines() if line.startswith("- ")]
    for reason in reasons[:MOST_REASONS]:
        console.print(f"    {_short(reason)}", markup=False, soft_wrap=True)


def _hospitals(hospitals: Sequence[HospitalSummary]) -> Table:
    """Return one row for each hospital."""
    table = Table(box=None, pad_edge=False)
    for column in ("HOSPITAL", "RELEASE", "ROC-AUC", "RISK OF A PATIENT", ""):
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    for one in hospitals:
        text = "no EHR in its entry"
        if one.card is not None:
            text = one.card.problem or str(one.card.content.get("summary"))
        release = (one.name, one.release, _figure(one.metrics.get("roc_auc")))
        table.add_row(*release, escape(_short(text, 60)), escape(_short(remark(one.metrics), 40)))
    return table


def _short(text: str, width: int = 105) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def show_rehearsal(rehearsal: Rehearsal) -> None:
    """Print the result of a rehearsal, and the resources that were only declared."""
    console = Console(highlight=False)
    console.print(
        f"\n[bold]production rehearsed[/]  {rehearsal.resources} resources, a second run would change nothing\n"
    )
    for mark, why in MARKS.items():
        named = rehearsal.only_declared[mark]
        console.print(f"{len(named)} validated and not run: {why}")
        for name in named:
            console.print(f"  - {name}", soft_wrap=True)
    console.print(
        "\nNext:\n"
        f"  python -m policy_pack check --state {state_file()} --stack-config Pulumi.prod.yaml\n"
        f"  python -m policy_pack evidence --stack prod --state {state_file()} --out build/evidence\n",
        soft_wrap=True,
    )
