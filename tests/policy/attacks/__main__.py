"""The command that makes all mutations, judges them, and writes the tables."""

from typing import Annotated

import typer

from tests.policy.attacks.judge import Outcome
from tests.policy.attacks.listed import FOLDER, listed
from tests.policy.attacks.run import ALL, Judgement, generated, page, revision, run
from tests.policy.attacks.stacks import STACKS
from tests.support.repository import REPOSITORY

PAGE = REPOSITORY / "docs" / "attacks.md"
ESCAPES = FOLDER / "escapes.yaml"
_BUILD = REPOSITORY / "build"
_HEAD = """# Mutations that the pack lets pass: by family, kind of resource and reason, the operations. The list only
# gets shorter: a test fails on an escape that is not here, and on a row that is caught. `make attacks` writes it, and
# keeps the reasons.
"""


def main(
    family: Annotated[list[str] | None, typer.Option(help="Only these families.")] = None,
    stack: Annotated[list[str] | None, typer.Option(help="Only these stacks.")] = None,
    sample: Annotated[int, typer.Option(min=0, help="A sample of this size of each family; 0 is all.")] = 0,
    minutes: Annotated[float, typer.Option(min=0, help="End after this time; another call continues. 0: never.")] = 0,
) -> None:
    """Judge the mutations, continuing a run before; one of all writes docs/attacks.md and the escapes."""
    found = run(_BUILD / f"attacks-{revision()}.jsonl", family or ALL, stack or STACKS, sample, minutes)
    text = page(found, len(found) if family or stack or sample else generated())
    typer.echo(text.split("\n\n")[2])
    if not (family or stack or sample):
        PAGE.write_text(text, encoding="utf-8")
        ESCAPES.write_text(_HEAD + escapes(found), encoding="utf-8")
    raise typer.Exit(1 if any(one.outcome == Outcome.ESCAPED.value for one in found) else 0)


def escapes(found: list[Judgement]) -> str:
    """Return the list of escapes, each with its reason so far."""
    keys = [(one.family, one.api, one.operation) for one in found if one.outcome == Outcome.ESCAPED.value]
    return listed("escapes").with_only(keys).written()


if __name__ == "__main__":
    typer.run(main)
