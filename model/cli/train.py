"""The ``train`` command: features, or a hospital's own table, to a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from model.io.console import Json, answer, note, warn
from model.tracking.option import Track


def train(
    features: Annotated[
        str, typer.Argument(help="The features file, warehouse:HOSPITAL, or a hospital's own table (Parquet, CSV).")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    profile: Annotated[
        str,
        typer.Option(envvar="HMLOPS_GATES_PROFILE", help="Gate profile: clinical, development or demonstration."),
    ] = "clinical",
    gates: Annotated[
        Path | None,
        typer.Option(help="Gates file of your own: stricter than the package's, or with exceptions."),
    ] = None,
    without: Annotated[list[str] | None, typer.Option(help="Features to leave out; may be a,b and repeated.")] = None,
    label: Annotated[str | None, typer.Option(help="Own table: the column of the outcome.")] = None,
    patient: Annotated[str | None, typer.Option(help="Own table: the column of the patient identifier.")] = None,
    positive: Annotated[str | None, typer.Option(help="Own table: the outcome's value that is a readmission.")] = None,
    time: Annotated[str | None, typer.Option(help="Own table: the column of the discharge time.")] = None,
    categorical: Annotated[list[str] | None, typer.Option(help="Own table: numeric category columns.")] = None,
    group: Annotated[list[str] | None, typer.Option(help="Own table: columns of the subgroups to report.")] = None,
    dates: Annotated[
        str | None, typer.Option(help="Own table: date format of --time: day-first, month-first or iso.")
    ] = None,
    decimal: Annotated[
        list[str] | None,
        typer.Option(help="Own table: decimal separator, point or comma; or COLUMN=point."),
    ] = None,
    missing: Annotated[
        list[str] | None, typer.Option(help="Own table: another value that means missing, such as -999; repeatable.")
    ] = None,
    lace: Annotated[
        list[str] | None,
        typer.Option(help="Own table: LACE's inputs, length_of_stay=COL,emergency=COL,charlson=COL,visits=COL."),
    ] = None,
    age: Annotated[
        str | None, typer.Option(help="Own table: the column of the age, the baseline without LACE.")
    ] = None,
    hospital: Annotated[str, typer.Option(help="Own table: the hospital's short name.")] = "unnamed",
    accept_feature: Annotated[
        list[str] | None,
        typer.Option(help="Suspected leakage to accept: feature names, a,b or repeated."),
    ] = None,
    accepted_by: Annotated[str | None, typer.Option(help="Owner of the table who accepts them, as ROLE:NAME.")] = None,
    reason: Annotated[str | None, typer.Option(help="Reason for the acceptance.")] = None,
    track: Track = True,
    as_json: Json = False,
) -> None:
    """Fit the model on three quarters of the patients; with --label and --patient on a hospital's own table."""
    from model.dataset.columns import composed
    from model.dataset.tables import Words, lace_columns
    from model.errors import UserError
    from model.gates import gate_table
    from model.training.train import train as run

    words = None
    own = (label, patient, positive, time, categorical, group, dates, decimal, missing, lace, age)
    if label is not None and patient is not None:
        words = Words(
            label=composed(label),
            patient=composed(patient),
            positive=positive,
            time=time and composed(time),
            categorical=tuple(categorical or ()),
            groups=tuple(group or ()),
            dates=dates,
            decimal=tuple(composed(one) for one in decimal or ()),
            missing=tuple(composed(one) for one in missing or ()),
            lace=lace_columns(lace or ()),
            age=age and composed(age),
        )
    elif any(own):
        raise UserError("A hospital's own table needs both --label and --patient; a features file needs neither.")
    done = run(
        features,
        out=out,
        profile=profile,
        gates=gate_table(gates),
        table=words,
        without=without or (),
        hospital=hospital,
        accept=accept_feature or (),
        accepted_by=accepted_by,
        reason=reason,
    )
    if done.left_out:
        warn("left out: " + "; ".join(f"{name} ({why})" for name, why in done.left_out.items()))
    for suspect in done.suspects:
        accepted = f"accepted by {suspect.accepted_by}" if suspect.accepted_by else "not accepted"
        warn(f"{suspect.text}, {accepted}")
    for line in _read_as(done.read_as):
        note(line)
    text = f"trained on {done.counts['training_discharges']} discharges with {done.counts['training_readmissions']} "
    text += f"readmissions, {done.algorithm}, profile {done.profile}, in {out}"
    if track:
        from model.tracking.record import record_training

        record_training(out)
    answer({"run": str(out), **done.written(), "read_as": done.read_as}, text, as_json=as_json)


def _read_as(decisions: Mapping[str, str]) -> list[str]:
    """Return a line for each column whose reading took a decision, and how many took none."""
    from model.dataset.tables import PLAIN

    lines = [f"{name}: {how}" for name, how in decisions.items() if how not in PLAIN]
    rest = len(decisions) - len(lines)
    return [*lines, f"{rest} further columns read as numbers, categories or yes/no"] if rest else lines
