"""The ``--track`` option of the commands."""

from typing import Annotated

import typer

Track = Annotated[
    bool,
    typer.Option(
        "--track/--no-track",
        envvar="HMLOPS_TRACK",
        help="Record in MLflow: at MLFLOW_TRACKING_URI, else in mlflow.db beside the run's folder.",
    ),
]
