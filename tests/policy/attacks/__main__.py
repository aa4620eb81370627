"""The command that makes all mutations, judges them, and writes the tables."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
import yaml

from tests.policy.attacks.judge import FOLDER, Outcome
from tests.policy.attacks.run import ALL, Judgement, page, run
from tests.policy.attacks.stacks import STACKS
from tests.support.repository import REPOSITORY

PAGE = REPOSITORY / "docs" / "attacks.md"
ESCAPES = FOLDER / "escapes.yaml"
_BUILD = REPOSITORY / "build" / "attacks.json"
_HEAD = """# Mutations that the pack lets pass: by family and kind of resource, the operations. The list only becomes
# shorter: a test fails on an escape that is not here, and on a row that is caught. Written by `make attacks`.
"""


def main(
    family: Annotated[list[str] | None, typer.Option(help="Only these families.")] = None,
    stack: Annotated[list[str] | None, typer.Option(help="Only these stacks.")] = None,
    sample: Annotated[int, typer.Option(min=0, help="A sample of this size of each family; 0 is all.")] = 0,
    output: Annotated[Path, typer.Option(help="The file for all judgements as JSON.")] = _BUILD,
) -> None:
    """Judge the mutations; a run of all of them writes docs/attacks.md and the list of escapes."""
    found = run(family or ALL, stack or STACKS, sample)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps([asdict(one) for one in found], indent=0), encoding="utf-8")
    text = page(found, len(found))
    typer.echo(text.split("\n\n")[2])
    if not (family or stack or sample):
        PAGE.write_text(text, encoding="utf-8")
        ESCAPES.write_text(_HEAD + listed(found), encoding="utf-8")
    raise typer.Exit(1 if any(one.outcome == Outcome.ESCAPED.value for one in found) else 0)


def listed(found: list[Judgement]) -> str:
    """Return the escapes as a table: by family and API the operations."""
    rows: dict[str, dict[str, list[str]]] = {}
    for one in found:
        if one.outcome == Outcome.ESCAPED.value:
            operations = rows.setdefault(one.family, {}).setdefault(one.api, [])
            if one.operation not in operations:
                operations.append(one.operation)
    return yaml.safe_dump(rows, width=1000, allow_unicode=True) if rows else "{}\n"


if __name__ == "__main__":
    typer.run(main)
