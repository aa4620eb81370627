"""Commands of the pack: check an exported state, write its evidence, list the controls."""

import json
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import asdict, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from policy_pack.controls.rows import table
from policy_pack.engine import overrides
from policy_pack.engine.aws_rules import aws_rules
from policy_pack.engine.evaluate import Evaluation, Evaluator, Status, evaluate
from policy_pack.engine.exempted import by_exemption
from policy_pack.errors import PackError
from policy_pack.settings import DEFAULT, Settings
from policy_pack.stack import external_endpoints, state
from policy_pack.stack.text import printable

if TYPE_CHECKING:
    from policy_pack.evidence.destruction import Destruction
    from policy_pack.stack.graph import Graph
    from policy_pack.stack.live import Live

T = TypeVar("T")

app = typer.Typer(
    help="HIPAA technical safeguards of a stack. With the engine: pulumi preview --policy-pack policy_pack.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
SettingsFile = Annotated[Path, typer.Option("--settings", help="Stricter settings than those of the pack.")]
_COLOURS = {Status.REFUSED: "red", Status.ADVISORY: "yellow", Status.UNKNOWN: "cyan", Status.EXEMPT: "magenta"}


class Server(StrEnum):
    """Servers that can be compared with a state."""

    VAULT = "vault"
    AWS = "aws"
    CLUSTER = "cluster"


def _read(servers: Collection[Server], graph: "Graph") -> "Live":
    """Return what the servers have, by the environment's credentials."""
    from policy_pack.evidence import aws_permissions, cluster_reader, vault_server
    from policy_pack.stack.live import Live

    vault = Server.VAULT in servers
    return Live(
        audit_devices=vault_server.audit_devices() if vault else None,
        vault=vault_server.permissions() if vault else None,
        aws=aws_permissions.read(graph) if Server.AWS in servers else None,
        cluster=tuple(cluster_reader.read(graph)) if Server.CLUSTER in servers else None,
    )


@app.command()
def check(
    state_file: Annotated[Path, typer.Option("--state", help="The output of `pulumi stack export`.")],
    settings_file: SettingsFile = DEFAULT,
    stack_file: Annotated[
        Path | None,
        typer.Option("--stack-config", help="Pulumi.<stack>.yaml: addresses of external endpoints, audit devices."),
    ] = None,
    live: Annotated[
        list[Server] | None,
        typer.Option("--live", help="Also compare the permissions of a server with the state; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a deployed stack without engine or AWS account; exit 1 when a control refuses it, 2 on invalid input."""

    def run() -> Evaluation:
        addresses = external_endpoints.read_file(stack_file) if stack_file else None
        graph = state.read(state_file)
        if live and addresses is None:
            raise PackError("--live needs --stack-config Pulumi.<stack>.yaml.")
        if live and addresses:
            addresses = replace(addresses, live=_read(live, graph))
        return evaluate(Evaluator(overrides.read(settings_file), addresses), graph)

    evaluation = _or_exit(run)
    if as_json:
        typer.echo(json.dumps(evaluation.as_dict(), sort_keys=True))
    else:
        _show(evaluation)
    raise typer.Exit(1 if evaluation.refused else 0)


@app.command()
def evidence(
    stack: Annotated[str, typer.Option("--stack", help="The stack; its state is read with `pulumi stack export`.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for index.html and evidence.json.")],
    state_file: Annotated[
        Path | None, typer.Option("--state", help="The output of `pulumi stack export`, instead of running it.")
    ] = None,
    settings_file: SettingsFile = DEFAULT,
    stack_file: Annotated[
        Path | None, typer.Option("--stack-config", help="By default Pulumi.<stack>.yaml of the project.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Also read the cluster of KUBECONFIG, and report drift from the state.")
    ] = False,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day of the period whose changes are counted.")
    ] = None,
    sign_key: Annotated[
        Path | None, typer.Option(help="Ed25519 private key (PEM) that signs the digests of the files.")
    ] = None,
) -> None:
    """Write the compliance evidence: inventory, network, data flow, access, encryption, controls and risks."""
    # The policy server of the engine starts without the modules of the page.
    from policy_pack.evidence.pages.write import EvidenceArgs, write

    first_day = since.date() if since else None
    args = EvidenceArgs(stack, state_file, stack_file, with_cluster=live, since=first_day, sign_key=sign_key)
    report = _or_exit(lambda: write(args, out, overrides.read(settings_file)))
    counts = ", ".join(f"{number} {status}" for status, number in report.control_counts.items() if number)
    Console().print(f"{out / 'index.html'}: {len(report.assets)} resources, controls: {counts}.", highlight=False)


@app.command()
def verify(
    out: Annotated[Path, typer.Option("--out", help="Folder with the evidence.")],
    key_file: Annotated[Path, typer.Option("--key", help="Public key (PEM) of the signer.")],
) -> None:
    """Verify that the files of evidence are unchanged, and signed by a key; exit 2 when they are not."""
    from policy_pack.evidence.signature import verify as verify_signature

    signer = _or_exit(lambda: verify_signature(out, key_file))
    Console().print(f"{out}: unchanged, signed by key {signer}.", highlight=False, soft_wrap=True)


@app.command()
def destruction(
    stack: Annotated[str, typer.Option("--stack", help="The stack.")],
    hospital: Annotated[str, typer.Option("--hospital", help="The former hospital.")],
    before: Annotated[Path, typer.Option("--before", help="State exported before its entry was removed.")],
    after: Annotated[Path, typer.Option("--after", help="State exported afterwards.")],
    settings_file: SettingsFile = DEFAULT,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Also look up keys and buckets in AWS, and databases and roles in PostgreSQL, with AWS credentials.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show that the resources of a hospital are deleted and its keys pending deletion; exit 1 when one remains."""
    from policy_pack.evidence.destruction import destruction as compare

    def run() -> "Destruction":
        if not live:
            return compare(stack, hospital, before, after, overrides.read(settings_file))
        from policy_pack.evidence.aws_account import check as check_account
        from policy_pack.evidence.postgres_server import check as check_databases

        settings = overrides.read(settings_file)
        return compare(stack, hospital, before, after, settings, check_account, check_databases)

    result = _or_exit(run)
    if as_json:
        typer.echo(json.dumps(result.as_dict(), sort_keys=True))
    else:
        _show_destruction(result)
    raise typer.Exit(1 if result.problems else 0)


@app.command()
def controls(settings_file: SettingsFile = DEFAULT, as_json: AsJson = False) -> None:
    """List the controls with their citations."""
    settings = _or_exit(lambda: overrides.read(settings_file))
    rows = [_row(control.id, settings) for control in table().rows.values()]
    if as_json:
        typer.echo(json.dumps({"controls": rows}, sort_keys=True, default=str))
        return
    heads = ("control", "title", "level", "severity", "citation")
    output = Table(*heads, title=f"{len(rows)} controls", title_justify="left")
    for row in rows:
        output.add_row(row["id"], row["title"], row["effective_level"], row["severity"], row["citation"])
    Console().print(output)


def _row(control_id: str, settings: Settings) -> dict[str, Any]:
    control = table().rows[control_id]
    return {
        **asdict(control),
        "proposed": control.proposals(),
        "aws_config": aws_rules().rules_of(control_id),
        "effective_level": str(control.effective_level(settings)),
        "citation": control.citation(settings),
    }


def _show_destruction(result: "Destruction") -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    heads = ("disposition", "kind", "name", "data class", "detail")
    output = Table(*heads, title=Text(f"Hospital {printable(result.hospital)}"), title_justify="left")
    for one in result.resources:
        if one.problem or one.detail or one.data_class:
            cells = (one.disposition, one.kind, one.name, one.data_class, one.problem or one.detail)
            output.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(output)
    counts = Counter(str(one.disposition) for one in result.resources)
    text = ", ".join(f"{number} {disposition}" for disposition, number in sorted(counts.items()))
    console.print(f"{text}.", highlight=False)


def _or_exit(run: Callable[[], T]) -> T:
    try:
        return run()
    except PackError as error:
        message = str(error)
    except Exception as error:
        # A traceback would print values of the stack.
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        message = f"the input cannot be evaluated ({type(error).__name__} in {where}); export the state again."
    Console(stderr=True, highlight=False).print(f"error: {printable(message)}", markup=False, soft_wrap=True)
    raise typer.Exit(2)


def _show(evaluation: Evaluation) -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    rows = table().rows
    if evaluation.results:
        title = Text(f"Stack {printable(evaluation.stack)}")
        output = Table("status", "control", "resource", "finding", title=title, title_justify="left")
        for result in evaluation.results:
            if result.status is Status.EXEMPT:
                continue
            colour = _COLOURS[result.status]
            control = rows.get(result.control)
            label = f"{result.control} {control.title}" if control else result.control
            name = printable(result.name)
            text = result.text.removeprefix(f"{name}: ")
            output.add_row(Text(str(result.status), colour), label, Text(name), Text(text))
        for group in by_exemption(evaluation.results):
            control = rows.get(group.exemption.control)
            label = f"{group.exemption.control} {control.title}" if control else group.exemption.control
            cells = Text(str(Status.EXEMPT), _COLOURS[Status.EXEMPT]), label, Text(group.names), Text(group.text)
            output.add_row(*cells)
        console.print(output)
    counts = ", ".join(f"{len(evaluation.of(status))} {status}" for status in Status)
    console.print(f"{evaluation.resources} resources, {len(rows)} controls: {counts}.", highlight=False)


def main(prog_name: str = "python -m policy_pack") -> None:
    """Run the command line."""
    app(prog_name=prog_name)
