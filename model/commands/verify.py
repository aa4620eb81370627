"""The ``verify`` command: check a release."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from model.console import Json, answer


def verify(
    release: Annotated[str, typer.Argument(help="Folder or S3 prefix of the release.")],
    hospital: Annotated[str | None, typer.Option(help="Trust only this hospital's signing key.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Trust only this signing key.")] = None,
    as_json: Json = False,
) -> None:
    """Check hashes, signature and contract, and make one prediction."""
    from model.release.publish import verify as run
    from model.release.signing import signer

    trust = hospital is not None or key_file is not None
    trusted = signer(hospital or "", key_file).public_keys().values() if trust else None
    done = run(release, trusted=trusted)
    text = f"{done.model} {done.digest[:12]} holds; signed by {done.signer}"
    text += "" if done.trusted else " (give --hospital or --key-file to check whose key that is)"
    answer(asdict(done), text, as_json=as_json)
