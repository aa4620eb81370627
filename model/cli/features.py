"""The ``features`` command: curated tables to features."""

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from model.io.console import Json, answer


def features(
    curated: Annotated[str, typer.Argument(help="Folder or S3 prefix of the curated tables.")],
    out: Annotated[str, typer.Option(help="The Parquet file to write.")],
    engine: Annotated[Literal["duckdb", "spark"], typer.Option(help="Query engine: duckdb or spark.")] = "duckdb",
    planned: Annotated[
        Literal["count", "exclude"] | None,
        typer.Option(help="Count a planned return as a readmission; default: model/definitions/features.yaml."),
    ] = None,
    max_unknown_units: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Largest share of a measurement's values with an unknown unit; default: model/definitions/units.yaml.",
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="T",
            help="Features of the patients in hospital at this time (ISO 8601, UTC, on the shifted calendar), "
            "from what was recorded by then.",
        ),
    ] = None,
    patient: Annotated[str | None, typer.Option(metavar="PSEUDONYM", help="With --as-of: one patient only.")] = None,
    warehouse: Annotated[
        str | None,
        typer.Option(metavar="HOSPITAL", help="Also load the tables and the features into this hospital's warehouse."),
    ] = None,
    stays: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Also write the features of the stays that go on, as of the newest record."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compute one row of features for each index discharge."""
    from model.errors import UserError
    from model.features.build import build, build_as_of
    from model.features.edition import to_file
    from model.warehouse.load import Warehouse
    from model.warehouse.tables import connection_to

    if as_of is not None:
        if warehouse is not None or stays is not None:
            raise UserError("--warehouse and --stays take the features of all patients; leave out --as-of.")
        online = build_as_of(curated, out=out, at=as_of, patient=patient, engine_name=engine)
        answer(asdict(online), f"{online.patients} in hospital at {online.as_of}, in {online.out}", as_json=as_json)
        return
    if patient is not None:
        raise UserError("--patient needs --as-of; give a time too.")
    done = build(
        curated,
        out=out,
        engine_name=engine,
        count_planned=None if planned is None else planned == "count",
        max_unknown_units=max_unknown_units,
        publish=to_file if warehouse is None else Warehouse(warehouse, connection_to(warehouse)).publish,
        stays=stays,
    )
    text = f"{done.discharges} discharges of {done.patients} patients, {done.labelled} labelled, "
    text += f"{done.readmitted} readmitted within {done.return_days} days, in {done.out}"
    text += "" if warehouse is None else f" and in the warehouse of {warehouse}"
    exclusions = [f"{name.replace('_', ' ')} {number}" for name, number in done.counts.items() if number]
    answer(asdict(done), f"{text}\n{', '.join(exclusions)}", as_json=as_json)
