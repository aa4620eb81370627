"""The pack's commands: judge an exported state, write its evidence, list the controls."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from policy_pack.controls.rows import table
from policy_pack.engine.aws_rules import aws_rules
from policy_pack.engine.evaluate import Judge, Status, Verdict, verdict
from policy_pack.errors import PackError
from policy_pack.settings import DEFAULT, Settings, load
from policy_pack.stack import external_endpoints, state

if TYPE_CHECKING:
    from policy_pack.evidence.destruction import Destruction

T = TypeVar("T")

app = typer.Typer(
    help="HIPAA technical safeguards over a stack. With the engine: pulumi preview --policy-pack policy_pack.",
    add_completion=False,
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
SettingsFile = Annotated[Path, typer.Option("--settings", help="Settings of the pack, with its exemptions.")]
_COLOURS = {Status.REFUSED: "red", Status.ADVISED: "yellow", Status.LATER: "cyan", Status.EXEMPT: "magenta"}


@app.command()
def check(
    state_file: Annotated[Path, typer.Option("--state", help="What `pulumi stack export` wrote.")],
    settings_file: SettingsFile = DEFAULT,
    stack_file: Annotated[
        Path | None,
        typer.Option("--stack-config", help="Pulumi.<stack>.yaml, which tells where servers outside the cluster are."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge what is deployed, without engine or account; exit 1 when something is refused, 2 on bad input."""

    def run() -> Verdict:
        addresses = external_endpoints.read_file(stack_file) if stack_file else None
        return verdict(Judge(load(settings_file), addresses), state.read(state_file))

    found = _or_exit(run)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), sort_keys=True))
    else:
        _show(found)
    raise typer.Exit(1 if found.refused else 0)


@app.command()
def evidence(
    stack: Annotated[str, typer.Option("--stack", help="The stack; `pulumi stack export` is asked for its state.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for index.html and evidence.json.")],
    state_file: Annotated[
        Path | None, typer.Option("--state", help="What `pulumi stack export` wrote, in place of asking for it.")
    ] = None,
    settings_file: SettingsFile = DEFAULT,
    stack_file: Annotated[
        Path | None, typer.Option("--stack-config", help="By default Pulumi.<stack>.yaml of the project.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Read the cluster of KUBECONFIG too, and tell where it differs.")
    ] = False,
) -> None:
    """Write what a security officer asks for: inventory, network, data flow, access, encryption, controls, risks."""
    # The engine's policy server starts without what draws and writes pages.
    from policy_pack.evidence.pages.write import write

    made = _or_exit(lambda: write(stack, out, load(settings_file), state_file, stack_file, with_cluster=live))
    told = ", ".join(f"{number} {standing}" for standing, number in made.counts.items() if number)
    Console().print(f"{out / 'index.html'}: {len(made.assets)} resources, controls: {told}.", highlight=False)


@app.command()
def destruction(
    stack: Annotated[str, typer.Option("--stack", help="The stack.")],
    hospital: Annotated[str, typer.Option("--hospital", help="The hospital that left.")],
    before: Annotated[Path, typer.Option("--before", help="State exported before its entry was removed.")],
    after: Annotated[Path, typer.Option("--after", help="State exported afterwards.")],
    settings_file: SettingsFile = DEFAULT,
    live: Annotated[
        bool,
        typer.Option("--live", help="Ask the account itself of keys and buckets, with the environment's credentials."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show that a hospital's resources are gone, and its keys about to be; exit 1 when something remains."""
    from policy_pack.evidence.destruction import destruction as compared

    def run() -> "Destruction":
        if not live:
            return compared(stack, hospital, before, after, load(settings_file))
        from policy_pack.evidence.aws_account import ask

        return compared(stack, hospital, before, after, load(settings_file), ask)

    found = _or_exit(run)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), sort_keys=True))
    else:
        _show_destruction(found)
    raise typer.Exit(1 if found.faults else 0)


@app.command()
def controls(settings_file: SettingsFile = DEFAULT, as_json: AsJson = False) -> None:
    """List the controls with the paragraphs that they serve."""
    settings = _or_exit(lambda: load(settings_file))
    rows = [_row(row.id, settings) for row in table().rows.values()]
    if as_json:
        typer.echo(json.dumps({"controls": rows}, sort_keys=True, default=str))
        return
    shown = Table(
        "control", "title", "level", "severity", "serves", title=f"{len(rows)} controls", title_justify="left"
    )
    for row in rows:
        shown.add_row(row["id"], row["title"], row["held"], row["severity"], row["serves"])
    Console().print(shown)


def _row(control: str, settings: Settings) -> dict[str, Any]:
    row = table().rows[control]
    told = {"proposed": row.proposals(), "aws_config": aws_rules().asked_by(control)}
    return {**asdict(row), **told, "held": str(row.held(settings)), "serves": row.citation(settings)}


def _show_destruction(found: "Destruction") -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    shown = Table("fate", "kind", "name", "data", "detail", title=f"Hospital {found.hospital}", title_justify="left")
    for entry in found.ended:
        if entry.wrong or entry.detail or entry.data_class:
            shown.add_row(entry.fate, entry.kind, entry.name, entry.data_class, entry.wrong or entry.detail)
    console.print(shown)
    counts = Counter(str(entry.fate) for entry in found.ended)
    console.print(", ".join(f"{number} {fate}" for fate, number in sorted(counts.items())) + ".", highlight=False)


def _or_exit(run: Callable[[], T]) -> T:
    try:
        return run()
    except PackError as error:
        Console(stderr=True, highlight=False).print(f"error: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(2) from None


def _show(found: Verdict) -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    rows = table().rows
    if found.results:
        shown = Table("status", "control", "resource", "finding", title=f"Stack {found.stack}", title_justify="left")
        for result in found.results:
            colour = _COLOURS[result.status]
            row = rows.get(result.control)
            head = f"{result.control} {row.title}" if row else result.control
            text = result.text.removeprefix(f"{result.name}: ")
            shown.add_row(f"[{colour}]{result.status}[/]", head, result.name, text.replace("[", "\\["))
        console.print(shown)
    counts = ", ".join(f"{len(found.of(status))} {status}" for status in Status)
    console.print(f"{found.resources} resources, {len(rows)} controls: {counts}.", highlight=False)


def main(prog_name: str = "python -m policy_pack") -> None:
    """Run the command line."""
    app(prog_name=prog_name)
