"""The ``train`` command: features to a run."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from model.console import Json, answer


def train(
    features: Annotated[str, typer.Argument(help="The features file.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    profile: Annotated[
        str,
        typer.Option(envvar="HMLOPS_GATES_PROFILE", help="Gates that the model must pass: clinical, demonstration."),
    ] = "clinical",
    gates: Annotated[Path | None, typer.Option(help="Another gates file than the package's.")] = None,
    as_json: Json = False,
) -> None:
    """Fit the model on three quarters of the patients."""
    from model.gates import gate_table
    from model.training.train import train as run

    done = run(features, out=out, profile=profile, gates=gate_table(gates))
    text = f"trained on {done.counts['training_discharges']} discharges with {done.counts['training_readmissions']} "
    text += f"readmissions, penalty {done.penalty}, profile {done.profile}, in {out}"
    answer({"run": str(out), **asdict(done)}, text, as_json=as_json)
