"""The ``release`` command: a run to a signed release."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from model.io.console import Json, answer, warn
from model.tracking.option import Track


def release(
    source: Annotated[
        str,
        typer.Argument(help="Folder of the run, or a candidate: its folder or S3 prefix, or that of all: the newest."),
    ],
    version: Annotated[str, typer.Option(help="Version, such as v1.")],
    to: Annotated[str, typer.Option(help="Folder or S3 prefix; the release lies at TO/VERSION/DIGEST12.")],
    hospital: Annotated[str | None, typer.Option(help="Hospital whose Vault key signs; default: the run's.")] = None,
    approve: Annotated[str | None, typer.Option(help="Approver, as ROLE:NAME.")] = None,
    reason: Annotated[str | None, typer.Option(help="Reason for the approval.")] = None,
    ethics_approve: Annotated[
        str | None, typer.Option(help="Who approved the thresholds for the ethics committee, as ROLE:NAME.")
    ] = None,
    ethics_reason: Annotated[str | None, typer.Option(help="The committee's opinion or its reference.")] = None,
    card_answers: Annotated[
        Path | None, typer.Option(help="YAML file of KEY: TEXT, the hospital's answers to the model card's questions.")
    ] = None,
    key_file: Annotated[Path | None, typer.Option(help="Local signing key instead of Vault.")] = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="Set the champion alias in MLflow, also for an older release.")
    ] = False,
    track: Track = True,
    as_json: Json = False,
) -> None:
    """Publish a run that passed its gates as an immutable, signed folder."""
    from model.release.candidate import run_folder
    from model.release.card import read_answers
    from model.release.publish import release as run
    from model.release.signing import signer
    from model.training.run import read_run

    with run_folder(source) as run_dir:
        whose = hospital or read_run(run_dir).hospitals[0]
        done = run(
            run_dir,
            version=version,
            to=to,
            signer=signer(whose, key_file),
            approved_by=approve,
            reason=reason,
            ethics_approved_by=ethics_approve,
            ethics_reason=ethics_reason,
            answers=read_answers(card_answers),
        )
        if track:
            from model.tracking.registry import record_release

            record_release(run_dir, done, promote=promote)
    text = f"{done.release} at {done.place}" + ("" if done.changed else " (already published)")
    text += f"; NOT EVALUATED: {done.not_evaluated}" if done.not_evaluated else ""
    for sentence in done.warnings:
        warn(sentence)
    answer(asdict(done), text, as_json=as_json)
