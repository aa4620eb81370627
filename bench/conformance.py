"""Conformance of ingestion with the HL7 validator, on its invalid files: ``python -m bench.conformance``.

Only comparable rows of ``invalid-fhir`` count: FHIR R4, without a profile or package. For each file that passes,
``REASONS`` gives the reason: the faulty element is not published, or is not read at all.
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

# The first pattern that matches the HL7 validator's message gives the reason why a file may pass.
REASONS = (
    (
        r"Wrong Display Name|Unknown code|No code provided|System URI",
        "a display or code that is only published if its system and format are known",
    ),
    (r"[Ee]xtension", "an extension, which is never published"),
    (r"narrative|Narrative|HTML|html|XHTML|Hyperlink|markdown|div/", "narrative or text, which is never published"),
    (r"per-1", "a date without a time may end on the same day"),
    (r"magic LOINC|slice", "a profile's rule on a measurement whose code and unit are validated separately"),
    (r"[Ss]ignature|[Bb]ase64|Attachment", "a signature or attachment, which is never published"),
    (
        r"fullUrl|link relationship|Multiple matches|Unable to resolve|meta must be|absolute reference",
        "structure of a bundle or reference; each resource is validated separately",
    ),
    (r"Invalid Resource id|longer than permitted", "an id inside a resource that is not used"),
    (r"Example URLs|Array cannot be empty", "the form of an element that is not published"),
)
STAND_IN = "stand-in"
"""Id for test cases without one, since ingestion rejects a resource without an id."""
NOT_READ = "types that are not read"
UNEXPLAINED = "no reason known"


@dataclass(frozen=True)
class Verdict:
    """Result of ingestion for one file."""

    file: str
    needed: bool
    """It holds a resource of a type that is read."""
    refusals: tuple[str, ...]
    expected: str
    """What the HL7 validator says first."""

    @property
    def reason(self) -> str:
        """The reason why it may pass."""
        if not self.needed:
            return NOT_READ
        return next((why for words, why in REASONS if re.search(words, self.expected)), UNEXPLAINED)


def judge(path: Path, expected: str = "") -> Verdict:
    """Return the result of ingestion for a file."""
    refusals: list[str] = []
    needed = False
    for piece in sources.read(Stored(str(path), "", path.stat().st_size)):
        refusals += [piece.broken] if piece.broken else []
        for item in piece.items:
            reasons = _refusals(item)
            needed = needed or reasons is not None
            refusals += reasons or []
    return Verdict(path.name, needed, tuple(refusals), expected)


def _refusals(item: Item) -> list[str] | None:
    """Return the reasons for rejecting an item; none for a type that is not read."""
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
    source: Annotated[Path | None, typer.Option(help="Folder with index.csv instead of the reference data.")] = None,
    as_json: Json = False,
) -> None:
    """Count the invalid files that are rejected, and give the reason for those that pass."""
    folder = source or shared("invalid-fhir")
    if not (folder / "index.csv").is_file():
        typer.echo(f"error: No index.csv in {folder}; give the folder of FHIR test cases.", err=True)
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
    table = Table("valid control", "reason for rejection", title_justify="left")
    for file, why in refused.items():
        table.add_row(file, why)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
