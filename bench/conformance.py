"""What ingestion makes of files that the HL7 validator calls invalid: ``python -m bench.conformance``.

Of ``invalid-fhir`` the fair rows count: FHIR R4, and nothing that needs a profile or package. For each file that is
let through, ``REASONS`` says why an ingester may: what the fault touches does not leave, or is not read at all.
"""

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.support.figures import Figure, Json, show
from bench.support.samples import shared
from model.fhir import sources
from model.fhir.bundles import Item
from model.fhir.resource_types import ACCEPTED
from model.fhir.validation import faults_of
from model.io.stored import Stored

# The first of these that fits what the HL7 validator says of a file tells why the file may pass.
REASONS = (
    (
        r"Wrong Display Name|Unknown code|No code provided|System URI",
        "a display or code that is not let through unless its system and shape are known",
    ),
    (r"[Ee]xtension", "an extension, which never leaves"),
    (r"narrative|Narrative|HTML|html|XHTML|Hyperlink|markdown|div/", "narrative or text, which never leaves"),
    (r"per-1", "a day without a clock time may end on the same day"),
    (r"magic LOINC|slice", "a profile's rule on a measurement whose code and unit are checked by themselves"),
    (r"[Ss]ignature|[Bb]ase64|Attachment", "a signature or attachment, which never leaves"),
    (
        r"fullUrl|link relationship|Multiple matches|Unable to resolve|meta must be|absolute reference",
        "bookkeeping of a bundle or reference; each resource is judged by itself",
    ),
    (r"Invalid Resource id|longer than permitted", "an id inside a resource that is not used"),
    (r"Example URLs|Array cannot be empty", "a form of what is not let through"),
)
STAND_IN = "stand-in"
"""Ingestion refuses a resource without an id; many test cases have none, and are judged as if they had this one."""
NOT_READ = "types that are not read"
UNEXPLAINED = "no reason known"


@dataclass(frozen=True)
class Verdict:
    """What ingestion says of one file."""

    file: str
    needed: bool
    """It holds a resource of a type that is read."""
    refusals: tuple[str, ...]
    expected: str
    """What the HL7 validator says first."""

    @property
    def reason(self) -> str:
        """Why it may pass."""
        if not self.needed:
            return NOT_READ
        return next((why for words, why in REASONS if re.search(words, self.expected)), UNEXPLAINED)


def judge(path: Path, expected: str = "") -> Verdict:
    """Return what ingestion makes of a file."""
    refusals: list[str] = []
    needed = False
    for piece in sources.read(Stored(str(path), "", path.stat().st_size)):
        refusals += [piece.broken] if piece.broken else []
        for item in piece.items:
            found = _refusals(item)
            needed = needed or found is not None
            refusals += found or []
    return Verdict(path.name, needed, tuple(refusals), expected)


def _refusals(item: Item) -> list[str] | None:
    """Return why an item is refused; nothing at all for a type that is not read."""
    if item.resource is None:
        return [item.fault] if item.fault else []
    kind = item.resource.get("resourceType")
    if not isinstance(kind, str):
        return ["the resource has no resourceType"]
    if kind not in ACCEPTED:
        return None
    return [fault.said for fault in faults_of({"id": STAND_IN} | item.resource, Counter())]


def fair_rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of the index that are R4 and need no extra profile."""
    with (folder / "index.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [row for row in rows if row["fhirVersion"].startswith("4.0") and row["needs_profile_or_package"] == "no"]


def main(
    source: Annotated[Path | None, typer.Option(help="Folder with index.csv in place of the reference data.")] = None,
    as_json: Json = False,
) -> None:
    """Count which invalid files are caught, and say why the others may pass."""
    folder = source or shared("invalid-fhir")
    if not (folder / "index.csv").is_file():
        typer.echo(f"error: There is no index.csv in {folder}; give the folder of FHIR test cases.", err=True)
        raise typer.Exit(2)
    rows = fair_rows(folder)
    judged = [judge(folder / row["file"], row["first_expected_error"]) for row in rows]
    invalid = [one for one, row in zip(judged, rows, strict=True) if row["file"].startswith("invalid/")]
    valid = [one for one, row in zip(judged, rows, strict=True) if not row["file"].startswith("invalid/")]
    caught = [one for one in invalid if one.refusals]
    passed = Counter(one.reason for one in invalid if not one.refusals)
    alarms = [one for one in valid if one.refusals]
    figures = [
        Figure("invalid files, fair rows", len(invalid)),
        Figure("caught", len(caught)),
        *(Figure(f"passed: {why}", count) for why, count in passed.most_common()),
        Figure("passed without a known reason", passed[UNEXPLAINED], "", "at most 0", passed[UNEXPLAINED] == 0),
        Figure("valid controls", len(valid)),
        Figure("valid controls refused", len(alarms)),
    ]
    refused = {one.file: one.refusals[0] for one in alarms}
    show("conformance", figures, as_json=as_json, about={"data": folder.name, "controls_refused": refused})
    if not as_json:
        _show_refused(refused)


def _show_refused(refused: dict[str, str]) -> None:
    table = Table("valid control", "why it is refused", title_justify="left")
    for file, why in refused.items():
        table.add_row(file, why)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
