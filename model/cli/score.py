"""The ``score`` command: one discharge scored."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from model.io.console import Json, answer


def score(
    release: Annotated[str, typer.Argument(help="Folder or S3 prefix of the release.")],
    features: Annotated[str, typer.Argument(help="A features file, a FHIR file of one patient, or an own table.")],
    patient: Annotated[str, typer.Option(help="Pseudonym (own table: value of --patient), or any.")] = "any",
    hospital: Annotated[str | None, typer.Option(help="Trust only this hospital's signing key.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Trust only this signing key.")] = None,
    zone: Annotated[
        str | None, typer.Option(envvar="HMLOPS_TIME_ZONE", help="FHIR file: the hospital's time zone, as for ingest.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a patient's latest discharge: risk, decision, reasons.

    A release of a hospital's own table takes rows of such a table (Parquet, CSV), others a features or FHIR file.
    Trusted are the keys of --hospital or --key-file, else those of HMLOPS_TRUSTED_KEYS.
    """
    from model.definitions.window import within
    from model.release.signing import trust
    from model.scoring import Scorer
    from model.scoring.latest_discharge import Discharge, is_bundle, latest, latest_of_bundle
    from model.scoring.latest_row import Row, latest_row

    scorer = Scorer.open(release, trusted=trust(hospital, key_file))
    table = scorer.contract.table
    discharge: Discharge | Row
    if table:
        discharge = latest_row(features, scorer.contract, table, patient)
    else:
        discharge = latest_of_bundle(features, zone) if is_bundle(features) else latest(features, patient)
    scored = scorer.score(scorer.matrix(discharge.columns))[0]
    standing = scorer.standing()
    about: dict[str, str | int | None] = {"model": scorer.name, "digest": scorer.files.short, "method": scorer.method}
    about |= {"return_days": scorer.return_days}
    risk = f"risk {scored.risk:.1%}{within(scorer.return_days)}"
    lines = [f"{discharge.patient}: {risk}, {scored.decision}: {scored.action}"]
    lines += [f"  {reason.text}" for reason in scored.reasons] or ["  no feature differs from the typical discharge"]
    cautions = (*standing.cautions, *discharge.cautions)
    lines += [f"  caution: {warning}" for warning in (*scored.warnings, *cautions)]
    values = {"patient": discharge.patient, **about, "evaluated": standing.evaluated, **asdict(scored)}
    values["cautions"] = cautions
    answer(values, "\n".join(lines), as_json=as_json)
