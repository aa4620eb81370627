"""FHIR samples for benchmarks of ingestion: the reference data if present, otherwise a synthetic population."""

import functools
import gzip
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from model.fhir.resource_types import ACCEPTED

REPOSITORY = Path(__file__).resolve().parents[2]
SYNTHETIC_PATIENTS = 400
_UUID = re.compile(rb"[0-9a-f](?=[0-9a-f]{7}-[0-9a-f]{4}-[0-9a-f]{4}-)")


def shared(name: str) -> Path:
    """Return the folder of a reference data set, which may not exist."""
    named = os.environ.get("HMLOPS_SHARED_DATA")
    return (Path(named) if named else REPOSITORY.parent / "shared" / "data") / name


@dataclass(frozen=True)
class Sample:
    """FHIR files with a name."""

    name: str
    files: tuple[Path, ...]


def sample(source: Path | None, scratch: Path) -> Sample:
    """Return the files to measure with, synthesised if there is no reference data."""
    folder = source or shared("synthea-r4")
    if source is None and not folder.is_dir():
        from model.synthesis.run import synthesize

        folder = scratch / "synthetic"
        synthesize(patients=SYNTHETIC_PATIENTS, seed=1, out=str(folder))
        return Sample(f"{SYNTHETIC_PATIENTS} synthetic patients (the reference data is not there)", _files(folder))
    return Sample(folder.name, _files(folder))


def _files(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.rglob("*") if path.name.endswith((".json", ".json.gz"))))


def content(path: Path) -> bytes:
    """Return the decompressed content of a file."""
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.name.endswith(".gz") else raw


def accepted(path: Path) -> list[dict[str, Any]]:
    """Return the resources of a bundle that ingestion accepts."""
    bundle = json.loads(content(path))
    resources = (entry.get("resource", {}) for entry in bundle.get("entry", []))
    return [resource for resource in resources if resource.get("resourceType") in ACCEPTED]


def linked(files: tuple[Path, ...], folder: Path) -> Path:
    """Return a folder with links to the files, under neutral names."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, path in enumerate(files):
        (folder / f"{number:06}{''.join(path.suffixes[-2:])}").symlink_to(path)
    return folder


def multiplied(files: tuple[Path, ...], times: int, folder: Path) -> Path:
    """Return a folder with several copies of the data: each copy has its own patients and records."""
    folder.mkdir(parents=True)
    digits = b"0123456789abcdef"
    for copy in range(times):
        table = bytes.maketrans(digits, digits[copy:] + digits[:copy])
        turn = functools.partial(_turned, table)
        for number, path in enumerate(files):
            other = _UUID.sub(turn, content(path))
            target = folder / f"{copy:02}-{number:06}.json.gz"
            target.write_bytes(gzip.compress(other, compresslevel=1))
    return folder


def _turned(table: bytes, match: re.Match[bytes]) -> bytes:
    return match[0].translate(table)


def bundle_of(entries: int, files: tuple[Path, ...], path: Path) -> Path:
    """Write one bundle with this number of entries of accepted types, each a separate record."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write('{"resourceType": "Bundle", "type": "collection", "entry": [')
        for number, resource in zip(range(entries), _endless(files), strict=False):
            own = resource if resource["resourceType"] == "Patient" else resource | {"id": f"record-{number}"}
            stream.write(("," if number else "") + json.dumps({"resource": own}))
        stream.write("]}")
    return path


def _endless(files: tuple[Path, ...]) -> Iterator[dict[str, Any]]:
    for path in cycle(files):
        yield from accepted(path)
