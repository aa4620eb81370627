"""The embedded environment of this machine: start it, deploy the dev stack, release, look after it, and stop it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from local import lifecycle, screen
from local import status as status_of
from local.cluster import container_runtime, host, openbao
from local.cluster.supervision import Supervisor
from local.errors import UserError
from local.hospitals import callers as callers_of
from local.hospitals import delivery, ehr_source, program_client, sign_in
from local.hospitals import discharge as discharges
from local.hospitals.rollout import require_scores, roll_out
from local.keycloak import admin, staff
from local.lifecycle import prepare
from local.paths import KEYCLOAK_URL, Home
from local.progress import Steps, Tell, steps_on
from local.rehearsal import rehearsal
from local.stack import audit_chain, environment
from local.stack.settings import link_overlay, remove_state, require_local_cluster
from local.stack.stack import Stack

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
INTERRUPTED = 130
errors = Console(stderr=True, highlight=False)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _bring_up(home: Home, tell: Tell) -> lifecycle.Built:
    tell("tools and images")
    built = prepare(tell)
    lifecycle.start(home, built, tell)
    environment.link_commands(home, built.tools)
    return built


@app.command()
def up(
    fhir: Annotated[Path | None, typer.Option(help="Folder of FHIR bundles to use instead of synthetic ones.")] = None,
    ehr: Annotated[bool, typer.Option("--ehr", help="Run a FHIR server as the first hospital's EHR.")] = False,
    as_json: Json = False,
) -> None:
    """Start the environment, deploy the stack, train, release, serve and discharge a patient."""
    home = Home.default()
    require_local_cluster()
    host.require()
    if ehr and fhir is not None:
        raise UserError("Use either EHR=1, which has its own population, or FHIR=folder.")
    steps = steps_on(errors)
    with lifecycle.exclusive(home):
        with steps() as tell:
            if ehr:
                ehr_source.switch_on(home, Stack(home), tell)
            else:
                ehr_source.switch_off(home)
            built = _bring_up(home, tell)
        os.environ.update(environment.process(home))
        summary = roll_out(home, fhir, steps)
        container_runtime.prune(home, built.images)
    if as_json:
        print(json.dumps(summary.as_dict(), indent=2))
    else:
        screen.show(summary, home)
    require_scores(summary)


@app.command()
def start() -> None:
    """Start the environment alone, without deploying to it."""
    home = Home.default()
    host.require()
    with lifecycle.exclusive(home), steps_on(errors)() as tell:
        _bring_up(home, tell)
        tell("waiting for Keycloak")
        admin.wait(KEYCLOAK_URL, home.pki / "ca.crt", sign_in.START_SECONDS)


@app.command()
def rehearse(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the rehearsal running, to look at it.")] = False,
    end: Annotated[bool, typer.Option("--end", help="End a rehearsal that was kept.")] = False,
    as_json: Json = False,
) -> None:
    """Apply the prod stack from an empty state, on the emulators; then bring back what ran before."""
    usual = Home.default()
    host.require()
    steps = steps_on(errors)
    with lifecycle.exclusive(usual):
        was_up = Supervisor(usual).running() or rehearsal.interrupted()
        with steps() as tell:
            tell("tools and images")
            built = prepare(tell)
        try:
            rehearsed = None if end else rehearsal.run(built, steps)
        finally:
            if not keep:
                with steps() as tell:
                    rehearsal.end(rehearsal.home(), tell)
                    if was_up:
                        lifecycle.start(usual, built, tell)
    if rehearsed and as_json:
        print(json.dumps(rehearsed.as_dict(), indent=2))
    elif rehearsed:
        screen.show_rehearsal(rehearsed)


@app.command()
def images() -> None:
    """Build the tools and images and print the images by digest."""
    with steps_on(errors)() as tell:
        built = prepare(tell)
    for image in built.images.values():
        print(image.reference)


@app.command()
def status(as_json: Json = False) -> None:
    """Show whether parts, models and Jobs are well, and what to do if not; exit with 1 when something is not."""
    home = Home.default()
    environment_status = status_of.status(home)
    if as_json:
        print(json.dumps(environment_status.as_dict(), indent=2))
    else:
        status_of.show(home, environment_status)
    raise typer.Exit(1 if environment_status.problems else 0)


@app.command()
def logs(name: Annotated[str, typer.Argument(help="Name of a part, as `make status` lists it.")] = "") -> None:
    """Show the end of a part's log."""
    home = Home.default()
    parts = sorted(path.stem for path in home.logs.glob("*.log"))
    if name not in parts:
        raise UserError(f"Unknown part {name!r}: run `make logs NAME=…` with one of {', '.join(parts)}.")
    subprocess.run(["tail", "-n", "100", str(home.logs / f"{name}.log")], check=False)


def _environment() -> Home:
    """Return the environment of this machine, which `make up` has started at least once."""
    home = Home.default()
    if not openbao.token_file(home).exists():
        raise UserError(f"There is no environment in {home.root} yet: run `make up` first.")
    return home


@app.command()
def env() -> None:
    """Print the variables for a shell to evaluate."""
    home = _environment()
    stack = Stack(home)
    if stack.kept.exists() and not stack.overlay.is_symlink():
        stack.select()  # a fresh clone
    elif stack.kept.exists():
        link_overlay(home)
    print(environment.export(home))


@app.command()
def discharge(
    hospital: Annotated[str, typer.Argument(help="Name of a hospital of the stack.")] = "",
    patient: Annotated[str, typer.Option(help="Id of the patient; by default whose stay goes on longest.")] = "",
    as_json: Json = False,
) -> None:
    """Discharge a patient as the demonstration's EHR does: call the hook through the gateway, and show the card."""
    home = _environment()
    done = discharges.discharge(home, hospital, patient)
    if as_json:
        print(json.dumps(done.as_dict(), indent=2))
    else:
        screen.show_discharge(done)


@app.command()
def launch(
    hospital: Annotated[str, typer.Argument(help="Name of a hospital of the stack.")] = "",
    patient: Annotated[str, typer.Option(help="Id of the patient; by default whose stay goes on longest.")] = "",
) -> None:
    """Print the address by which the EHR opens the worklist for a patient, good once and for some minutes."""
    print(ehr_source.launch_address(_environment(), hospital, patient))


@app.command(name="audit-verify")
def audit_verify(
    hospital: Annotated[str, typer.Argument(help="Name of a hospital of the stack.")] = "",
) -> None:
    """Verify a hospital's audit chain against its anchors; exit code 1 if anything is wrong."""
    home = _environment()
    intact, text = audit_chain.verify(home, hospital)
    print(text, end="")
    if not intact:
        raise typer.Exit(1)


def _deliver(hospital: str, change: Callable[[Home, str, Steps], delivery.Delivered]) -> None:
    """Change which release of a hospital answers, and say so."""
    home = _environment()
    with lifecycle.exclusive(home):
        os.environ.update(environment.process(home))
        done = change(home, hospital, steps_on(errors))
    print(f"{hospital}: {done.answers} answers" + (f", and {done.withdrawn} does not" if done.withdrawn else ""))


@app.command()
def promote(hospital: Annotated[str, typer.Argument(help="Name of a hospital of the stack.")] = "") -> None:
    """Let a hospital's canary answer all encounters; the release that did is kept warm as the previous one."""
    _deliver(hospital, delivery.promote)


@app.command()
def rollback(hospital: Annotated[str, typer.Argument(help="Name of a hospital of the stack.")] = "") -> None:
    """Withdraw a hospital's canary, or let its previous release answer in place of the active one."""
    _deliver(hospital, delivery.roll_back)


@app.command()
def program(
    hospital: Annotated[str, typer.Argument(help="Name of a hospital of the stack.")],
    path: Annotated[str, typer.Argument(help="Path of the route, such as /v1/scores.")],
    scope: Annotated[str, typer.Option(help="OAuth scope of the route.")] = "readmission.scores",
    client: Annotated[str, typer.Option(help="Which of its programs; by default the first one of its entry.")] = "",
) -> None:
    """Send the JSON of standard input through the gateway as a program of the hospital, and print the answer."""
    answer = program_client.call(_environment(), hospital, path, scope, sys.stdin.buffer.read(), client)
    print(answer.text)
    if not answer.is_success:
        errors.print(f"{hospital} answered {answer.status_code}")
        raise typer.Exit(1)


@app.command()
def callers(
    hospital: Annotated[str, typer.Argument(help="Name of a hospital of the stack.")],
    folder: Annotated[Path, typer.Argument(help="Folder for files that only their owner reads.")],
    discharges: Annotated[int, typer.Option(help="Stays that go on to write the hook's body for.")] = 5,
) -> None:
    """Write what a program needs to call the gateway as the hospital's EHR and program do; print JSON."""
    print(callers_of.write(_environment(), hospital, folder, discharges).json())


@app.command()
def one_time_password(hospital: str, username: str) -> None:
    """Print the current one-time password of a member of the demonstration staff."""
    home = _environment()
    person = staff.read(home).get((hospital, username))
    if person is None:
        raise UserError(f"{hospital} has no demonstration user {username}: {staff.file(home)} lists them.")
    if not person.seed:
        raise UserError(f"{username} has no second factor, which is why the sign-in refuses this user.")
    print(person.code())


@app.command()
def down() -> None:
    """Stop everything and undo its changes to this machine; the data is kept."""
    home = Home.default()
    with lifecycle.exclusive(home), steps_on(errors)() as tell:
        tell("stopping")
        lifecycle.stop(home)
    left = lifecycle.remains()
    if left:
        raise UserError(f"Not removed from this machine: {'; '.join(left[:5])}. Run `make down` again.")
    errors.print("stopped; `make up` starts it again with its data")


@app.command()
def clean() -> None:
    """Stop everything and delete the data."""
    down()
    home = Home.default()
    remove_state(home)
    shutil.rmtree(home.root)
    errors.print("all data of the environment deleted")


def main(prog_name: str = "python -m local") -> int:
    """Run a command; a user's mistake is one line and exit code 2."""
    try:
        app(prog_name=prog_name)
    except UserError as error:
        errors.print(Text.assemble(("error", "bold red"), f": {error}"), soft_wrap=True)
        return 2
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
        if code == INTERRUPTED:
            errors.print("interrupted; run it again to continue")
        return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
