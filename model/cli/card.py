"""The ``card`` command: the model card of a release."""

from pathlib import Path
from typing import Annotated

import typer

from model.io.console import Json, answer


def card(
    release: Annotated[str, typer.Argument(help="Folder or S3 prefix of the release.")],
    out: Annotated[str, typer.Option(help="The .md or .html file to write.")],
    hospital: Annotated[str | None, typer.Option(help="Trust only this hospital's signing key.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Trust only this signing key.")] = None,
    as_json: Json = False,
) -> None:
    """Write a release's model card, after checking the release."""
    from model.artifact import files
    from model.artifact.trust import open_release
    from model.errors import UserError
    from model.io import storage
    from model.release.card import as_html
    from model.release.signing import trust

    if not out.endswith((".md", ".html")):
        raise UserError("--out must end with .md or .html.")
    opened = open_release(release, trusted=trust(hospital, key_file)).files
    text = opened.text(files.CARD_FILE)
    storage.write(out, (as_html(text) if out.endswith(".html") else text).encode())
    answer({"card": out, "digest": opened.digest}, f"model card in {out}", as_json=as_json)
