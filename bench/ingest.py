"""Benchmark of ingestion against ``fhir.resources`` alone: ``python -m bench.ingest``.

All rates are per second of CPU time, so that they are rates of one core, regardless of other load. The time of
``fhir.resources`` is for validation of already parsed resources, chunk by chunk alternating with ingestion,
which reads, validates, pseudonymises and writes the same resources.
"""

import importlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bench.support.figures import Figure, Json, at_least, at_most, show
from bench.support.samples import Sample, accepted, bundle_of, linked, multiplied, sample
from model.curated.ingested import Ingested
from model.curated.run import ingest
from model.deid.keys import LocalKeyring
from model.errors import UserError

CHUNKS = 4
FEW, MANY = 1000, 10_000
ROUNDS = 3
RING = LocalKeyring(bytes(range(32)))
MEGABYTE = 1024 * 1024


@dataclass
class _Rates:
    accepted: int = 0
    read: int = 0
    ingest_seconds: float = 0.0
    library_seconds: float = 0.0


def _timed_ingest(source: Path, scratch: Path) -> tuple[Ingested, float]:
    out = scratch / f"out-{time.monotonic_ns()}"
    began = time.process_time()
    done = ingest(str(source), hospital="bench", out=str(out), ring=RING)
    return done, time.process_time() - began


def _timed_library(files: tuple[Path, ...]) -> float:
    resources = [resource for path in files for resource in accepted(path)]
    models = {
        kind: getattr(importlib.import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
        for kind in {resource["resourceType"] for resource in resources}
    }
    began = time.process_time()
    for resource in resources:
        models[resource["resourceType"]].model_validate(resource)
    return time.process_time() - began


def rates(data: Sample, scratch: Path) -> _Rates:
    """Time both alternately on each part of the files, after a warm-up pass that is not counted."""
    total = _Rates()
    _timed_ingest(linked(data.files[:2], scratch / "warm"), scratch)
    _timed_library(data.files[:2])
    for number in range(CHUNKS):
        files = data.files[number::CHUNKS]
        total.library_seconds += _timed_library(files)
        done, seconds = _timed_ingest(linked(files, scratch / "chunk"), scratch)
        total.ingest_seconds += seconds
        total.accepted += done.counts.get("accepted", 0)
        total.read += done.read
    return total


def peak_memory(source: Path, scratch: Path) -> float:
    """Return the peak resident set size, in MB, of the command in a separate process."""
    out = scratch / f"out-{time.monotonic_ns()}"
    command = ["-m", "model", "ingest", str(source), "--hospital", "bench", "--out", str(out), "--json"]
    command += ["--key-file", str(scratch / "bench.key")]
    child = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    stderr = child.stderr.read() if child.stderr else ""
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise UserError(f"The measured ingest failed: {stderr.strip()[-300:]}")
    return usage.ru_maxrss * 1024 / MEGABYTE


def bundle_seconds(entries: int, data: Sample, scratch: Path) -> float:
    """Return the minimum CPU time for one bundle with this number of entries."""
    path = bundle_of(entries, data.files, scratch / f"bundle-{entries}.json")
    return min(_timed_ingest(path, scratch)[1] for _ in range(ROUNDS))


def measure(source: Path | None, tenfold: bool, scratch: Path) -> tuple[list[Figure], dict[str, str | int]]:
    """Return all figures and a description of the data."""
    data = sample(source, scratch)
    both = rates(data, scratch)
    rate = both.accepted / both.ingest_seconds
    library = both.accepted / both.library_seconds
    few, many = (bundle_seconds(entries, data, scratch) for entries in (FEW, MANY))
    if tenfold:
        once, ten = data.files, multiplied(data.files, 10, scratch / "tenfold")
    else:
        once, ten = data.files[::10], linked(data.files, scratch / "tenfold")
    small = peak_memory(linked(once, scratch / "once"), scratch)
    large = peak_memory(ten, scratch)
    figures = [
        at_least("ingest, accepted resources", rate, 5000, "1/s"),
        Figure("ingest, all resources read", both.read / both.ingest_seconds, "1/s"),
        Figure("fhir.resources alone", library, "1/s"),
        at_least("ingest against fhir.resources", rate / library, 0.75, "ratio"),
        at_most("10,000 against 1,000 entries in a bundle", many / few, 11, "ratio"),
        Figure("memory", small, "MB"),
        at_most("memory at ten times the data", large, 500, "MB"),
    ]
    return figures, {"data": data.name, "files": len(data.files), "accepted": both.accepted, "read": both.read}


def main(
    source: Annotated[Path | None, typer.Option(help="Folder of bundles instead of the reference data.")] = None,
    tenfold: Annotated[
        bool, typer.Option(help="Memory on ten times all files, instead of all files against a tenth of them.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure the speed and memory of ingestion."""
    if source is not None and not source.is_dir():
        typer.echo(f"error: No folder {source}; give a folder of FHIR bundles.", err=True)
        raise typer.Exit(2)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        figures, about = measure(source, tenfold, Path(name))
    show("ingest", figures, as_json=as_json, about=dict(about))


if __name__ == "__main__":
    typer.run(main)
