"""The ``reidentify`` command: the patient of a pseudonym, with an audit record."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from model.io.console import Json, answer


def reidentify(
    pseudonym: Annotated[str, typer.Argument(envvar="HMLOPS_PSEUDONYM", help="A patient's pseudonym.")],
    identity: Annotated[str, typer.Option(help="Folder or S3 prefix of the identity store.")],
    hospital: Annotated[str, typer.Option(help="The hospital's short name.")],
    reason: Annotated[str, typer.Option(envvar="HMLOPS_REASON", help="Reason for the re-identification.")],
    requester: Annotated[str | None, typer.Option(envvar="HMLOPS_REQUESTER", help="Name of the requester.")] = None,
    audit: Annotated[str | None, typer.Option(help="Folder or S3 prefix for the audit record.")] = None,
    out: Annotated[str | None, typer.Option(help="File to write the answer to instead of printing it.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Local key file instead of Vault.")] = None,
    as_json: Json = False,
) -> None:
    """Return the patient of a pseudonym and write an audit record."""
    from model.identity_store.envelope import wrapping
    from model.identity_store.reidentify import hand_over
    from model.identity_store.reidentify import reidentify as run

    patient = run(
        pseudonym,
        identity=identity,
        hospital=hospital,
        reason=reason,
        requester=requester,
        audit=audit,
        wrap=wrapping(hospital, key_file),
    )
    if out is not None:
        target = hand_over(patient, pseudonym, out)
        answer({"pseudonym": pseudonym, "out": target}, f"the answer is in {target}", as_json=as_json)
        return
    numbers = ", ".join(" ".join(number.values()) for number in patient.identifiers)
    text = f"{pseudonym} is patient {patient.patient_id} ({numbers or 'no record number'}), "
    text += f"dates moved by {patient.shift_days} days"
    answer({"pseudonym": pseudonym} | asdict(patient), text, as_json=as_json)
