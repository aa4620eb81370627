"""The ``verify`` command: check a release."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from model.io.console import Json, answer, warn


def verify(
    release: Annotated[str, typer.Argument(help="Folder or S3 prefix of the release.")],
    hospital: Annotated[str | None, typer.Option(help="Trust only this hospital's signing key.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Trust only this signing key.")] = None,
    as_json: Json = False,
) -> None:
    """Check files, signature, gates, approval, contract, bill of materials, card, and its predictions.

    Trusted are the keys of --hospital or --key-file, else those of HMLOPS_TRUSTED_KEYS.
    """
    from model.errors import GateError
    from model.release.signing import trust
    from model.release.verify import verify as run

    done = run(release, trusted=trust(hospital, key_file))
    evaluated = "" if done.evaluated else ", NOT EVALUATED"
    approved = f"approved by {done.approved_by}" if done.approved_by else "not approved"
    lines = [f"{done.model} {done.digest[:12]}, profile {done.profile}, {approved}{evaluated}"]
    lines += [f"  {'holds' if c.holds else 'FAILS'}  {c.name:<20}  {c.found}" for c in done.checks]
    for sentence in done.warnings:
        warn(sentence)
    answer(asdict(done), "\n".join(lines), as_json=as_json)
    failed = [f"{check.name}: {check.found}" for check in done.checks if not check.holds]
    if failed:
        raise GateError(" ".join(failed))
