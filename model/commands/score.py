"""The ``score`` command: one discharge scored."""

from dataclasses import asdict
from typing import Annotated

import typer

from model.console import Json, answer


def score(
    release: Annotated[str, typer.Argument(help="Folder or S3 prefix of the release.")],
    features: Annotated[str, typer.Argument(help="A features file, or a FHIR file of one patient.")],
    patient: Annotated[str, typer.Option(help="A pseudonym, or any.")] = "any",
    as_json: Json = False,
) -> None:
    """Score a patient's latest discharge: risk, decision, reasons."""
    from model.latest import is_bundle, latest, latest_of_bundle
    from model.scoring import Scorer

    discharge = latest_of_bundle(features) if is_bundle(features) else latest(features, patient)
    scorer = Scorer.open(release)
    found = scorer.score(scorer.matrix(discharge.columns))[0]
    values = {"patient": discharge.patient, "model": scorer.name, "digest": scorer.files.short, **asdict(found)}
    reasons = "; ".join(reason.text for reason in found.reasons)
    text = f"{discharge.patient}: risk {found.risk:.1%}, {found.decision}: {found.action}; {reasons}"
    answer(values, text, as_json=as_json)
