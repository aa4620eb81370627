"""The ``card`` command: the model card of a release."""

from typing import Annotated

import typer

from model.console import Json, answer


def card(
    release: Annotated[str, typer.Argument(help="Folder or S3 prefix of the release.")],
    out: Annotated[str, typer.Option(help="The .md or .html file to write.")],
    as_json: Json = False,
) -> None:
    """Write a release's model card."""
    from model import places
    from model.release import files
    from model.release.card import as_html

    found = files.read(release)
    text = found.text(files.CARD_FILE)
    places.write(out, (as_html(text) if out.endswith(".html") else text).encode())
    answer({"card": out, "digest": found.digest}, f"model card in {out}", as_json=as_json)
