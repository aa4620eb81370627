"""The ``train`` command: features, or a hospital's own table, to a run."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from model.console import Json, answer, warn
from model.tracking.option import Track


def train(
    features: Annotated[str, typer.Argument(help="The features file, or a hospital's own table (Parquet, CSV).")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    profile: Annotated[
        str,
        typer.Option(
            envvar="HMLOPS_GATES_PROFILE", help="Gates that the model must pass: clinical, development, demonstration."
        ),
    ] = "clinical",
    gates: Annotated[
        Path | None,
        typer.Option(help="A file of your own that asks for more than the package's gates, or has exceptions."),
    ] = None,
    without: Annotated[list[str] | None, typer.Option(help="Features to leave out; may be a,b and repeated.")] = None,
    label: Annotated[str | None, typer.Option(help="Own table: the column of the outcome.")] = None,
    patient: Annotated[str | None, typer.Option(help="Own table: the column that says whose row it is.")] = None,
    positive: Annotated[str | None, typer.Option(help="Own table: the outcome's value that is a readmission.")] = None,
    time: Annotated[str | None, typer.Option(help="Own table: the column of the discharge time.")] = None,
    categorical: Annotated[list[str] | None, typer.Option(help="Own table: numbers that are names.")] = None,
    group: Annotated[list[str] | None, typer.Option(help="Own table: columns to tell the figures apart by.")] = None,
    hospital: Annotated[str, typer.Option(help="Own table: whose it is.")] = "unnamed",
    accept_feature: Annotated[
        list[str] | None,
        typer.Option(help="Features that tell far more than all others and are right; may be a,b and repeated."),
    ] = None,
    accepted_by: Annotated[str | None, typer.Option(help="Who accepts them for the table, as ROLE:NAME.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why they are accepted.")] = None,
    track: Track = True,
    as_json: Json = False,
) -> None:
    """Fit the model on three quarters of the patients; with --label and --patient on a hospital's own table."""
    from model.errors import UserError
    from model.gates import gate_table
    from model.training.leakage import Suspect
    from model.training.tables import Words
    from model.training.train import train as run

    words = None
    if label is not None and patient is not None:
        words = Words(
            label=label,
            patient=patient,
            positive=positive,
            time=time,
            categorical=_listed(categorical),
            groups=_listed(group),
        )
    elif any((label, patient, positive, time, categorical, group)):
        raise UserError("A hospital's own table needs both --label and --patient; a features file needs neither.")
    done = run(
        features,
        out=out,
        profile=profile,
        gates=gate_table(gates),
        table=words,
        without=_listed(without),
        hospital=hospital,
        accept=_listed(accept_feature),
        accepted_by=accepted_by,
        reason=reason,
    )
    if done.left_out:
        warn("left out: " + "; ".join(f"{name} ({why})" for name, why in done.left_out.items()))
    for suspect in done.suspects:
        accepted = f"accepted by {suspect['accepted_by']}" if suspect["accepted_by"] else "accepted by nobody"
        warn(f"{Suspect(**suspect).text}, {accepted}")
    text = f"trained on {done.counts['training_discharges']} discharges with {done.counts['training_readmissions']} "
    text += f"readmissions, {done.algorithm}, profile {done.profile}, in {out}"
    if track:
        from model.tracking.record import record_training

        record_training(out)
    answer({"run": str(out), **asdict(done)}, text, as_json=as_json)


def _listed(words: list[str] | None) -> tuple[str, ...]:
    """Return names given as a,b or one by one."""
    return tuple(name.strip() for word in words or () for name in word.split(",") if name.strip())
