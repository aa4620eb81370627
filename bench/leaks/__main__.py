"""Leak test of all commands: whether any identifier leaves the restricted zone: ``python -m bench.leaks``."""

import gzip
import json
import re
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.leaks.canaries import CANARIES
from bench.leaks.commands import Shell, run_all
from bench.leaks.hospital import write_hospital, write_unfit
from bench.leaks.scanner import Scanner
from bench.support.figures import Json
from bench.support.samples import REPOSITORY

SYNTHEA = REPOSITORY.parent / "shared" / "data" / "synthea-r4"
SHORTEST_NAME = 4


def leaks(
    patients: Annotated[int, typer.Option(help="Patients of the planted hospital.")] = 160,
    fills: Annotated[int, typer.Option(help="Resources of each type with all elements filled.")] = 306,
    synthea: Annotated[Path, typer.Option(help="Folder of Synthea bundles: names to search for.")] = SYNTHEA,
    files: Annotated[int, typer.Option(help="Number of these bundles; 0 for none.")] = 615,
    as_json: Json = False,
) -> None:
    """Plant 18 identifiers in every string, run all commands, and scan every byte that they wrote or printed."""
    with tempfile.TemporaryDirectory(prefix="leaks-") as scratch:
        hospital = planted_hospital(Path(scratch) / "planted", patients=patients, fills=fills)
        words = hospital.pop("words")
        names = None
        if files and synthea.is_dir():
            names = foreign_names(Path(scratch) / "names", synthea, files=files, ordinary=words)
    clean = not any(row["found"] for row in hospital["identifiers"].values()) and not (names or {}).get("found")
    if as_json:
        print(json.dumps({"bench": "leaks", "clean": clean, **hospital, "names": names}, sort_keys=True))
    else:
        _show(hospital, names, synthea)
    raise typer.Exit(0 if clean else 1)


def planted_hospital(folder: Path, *, patients: int, fills: int) -> dict[str, Any]:
    """Run everything on the planted hospital; return the planted identifiers, the commands and the matches."""
    source, unfit = folder / "source", folder / "unfit"
    planted, broken = write_hospital(source, patients=patients, fills=fills), write_unfit(unfit)
    shell = Shell(folder / "shell")
    run_all(shell, source, unfit, _with_a_stay(source))
    scanner = Scanner(CANARIES)
    look(scanner, shell)
    rows = {
        name: {"planted": planted.strings[name] + broken.strings[name], "found": sorted(scanner.found[name])}
        for name in CANARIES
    }
    return {
        "identifiers": rows,
        "paths": len(planted.paths),
        "resources": planted.resources,
        "files": planted.files + broken.files,
        "scanned_bytes": scanner.size,
        "commands": [{"command": ran.words, "exit": ran.code} for ran in shell.ran],
        "words": scanner.words,
    }


def _with_a_stay(source: Path) -> Path:
    """Return a bundle of a patient with an inpatient stay, so that it can be scored."""
    bundles = (path for path in sorted(source.glob("*_*.json")) if " raw" not in path.name)
    return next(path for path in bundles if '"IMP"' in path.read_text())


def foreign_names(folder: Path, source: Path, *, files: int, ordinary: set[str]) -> dict[str, Any]:
    """Run everything on third-party bundles; return which patients' names occur in the outputs.

    Names that also occur in the output of a run without these patients are excluded.
    """
    kept = folder / "source"
    kept.mkdir(parents=True)
    names: set[str] = set()
    taken = sorted(source.glob("*.json.gz"))[:files]
    for path in taken:
        (kept / path.name).symlink_to(path)
        names |= names_in(path)
    shell = Shell(folder / "shell")
    run_all(shell, kept, None, taken[0])
    scanner = Scanner({})
    look(scanner, shell)
    sought = {name for name in names if len(name) >= SHORTEST_NAME and name not in ordinary}
    return {
        "bundles": len(taken),
        "sought": len(sought),
        "ordinary_words": len(names) - len(sought),
        "found": sorted(sought & scanner.words),
        "scanned_bytes": scanner.size,
        "commands": [{"command": ran.words, "exit": ran.code} for ran in shell.ran],
    }


def names_in(path: Path) -> set[str]:
    """Return the names in a bundle's file name and in its patients, with and without the numbers behind them."""
    content = json.loads(gzip.decompress(path.read_bytes()))
    patients = [e["resource"] for e in content["entry"] if e["resource"]["resourceType"] == "Patient"]
    texts = [text for patient in patients for name in patient["name"] for text in (name["family"], *name["given"])]
    texts += path.name.removesuffix(".json.gz").split("_")[:2]
    words = {word.lower() for text in texts for word in re.findall(r"[^\W\d_]+\d*", text)}
    return words | {word.rstrip("0123456789") for word in words}


def look(scanner: Scanner, shell: Shell) -> None:
    """Scan all files below a shell's folder and all output of its commands."""
    scanner.scan_folder(shell.work)
    for number, ran in enumerate(shell.ran):
        scanner.scan(f"stdout of {number} {ran.words}", ran.out.encode())
        scanner.scan(f"stderr of {number} {ran.words}", ran.err.encode())


def _show(hospital: dict[str, Any], names: dict[str, Any] | None, synthea: Path) -> None:
    ran = ", ".join(f"{run['command']} {run['exit']}" for run in hospital["commands"])
    table = Table(title="Planted identifiers and matches", title_justify="left", caption_justify="left")
    table.caption = (
        f"{hospital['resources']:,} planted resources, {hospital['paths']:,} paths, {hospital['files']} files; "
        f"{hospital['scanned_bytes'] / 1e6:.0f} MB scanned; exit codes: {ran}"
    )
    table.add_column("identifier kind")
    table.add_column("planted strings", justify="right")
    table.add_column("found", justify="right")
    for name, row in hospital["identifiers"].items():
        table.add_row(name, f"{row['planted']:,}", ", ".join(row["found"]) or "0")
    if names:
        table.add_row(f"names in {names['bundles']} bundles", f"{names['sought']:,}", ", ".join(names["found"]) or "0")
    Console().print(table)
    if names is None:
        Console(stderr=True).print(f"names of Synthea bundles were not searched: there are no bundles at {synthea}")


if __name__ == "__main__":
    typer.run(leaks)
