"""The ``features`` command: curated tables to features."""

from dataclasses import asdict
from typing import Annotated

import typer

from model.console import Json, answer


def features(
    curated: Annotated[str, typer.Argument(help="Where ingest published its tables.")],
    out: Annotated[str, typer.Option(help="The Parquet file to write.")],
    engine: Annotated[str, typer.Option(help="What runs the expressions: duckdb.")] = "duckdb",
    as_json: Json = False,
) -> None:
    """Compute one row of features for each index discharge."""
    from model.features.build import build

    done = build(curated, out=out, engine=engine)
    text = f"{done.discharges} discharges of {done.patients} patients, {done.labelled} labelled, "
    text += f"{done.readmitted} readmitted within 30 days, in {done.out}"
    answer(asdict(done), text, as_json=as_json)
