"""FHIR JSON files of a source: by name, else by their first bytes; other files are counted by reason."""

import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from model.errors import UserError
from model.io import storage
from model.io.stored import Stored

NAMES = (".json", ".ndjson", ".jsonl")
SUFFIXES = (*NAMES, *(f"{name}.gz" for name in NAMES), ".gz")
LANDING_STATE = "landing.state"
"""The state of a landing place: none of its FHIR."""
HEAD = 64 * 1024
"""Bytes by which a file without a known suffix is judged."""

HIDDEN = "hidden"
EMPTY = "empty"
TABLE = "table, not FHIR"
ARCHIVE = "archive, unpack it first"
XML = "FHIR XML, only JSON is read"
OTHER = "not FHIR JSON"
IRREGULAR = "link to a folder, pipe or device"

_TABLES = (".csv", ".tsv", ".parquet", ".xlsx", ".csv.gz", ".tsv.gz")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".bz2", ".xz", ".zst")
_LINES = (".ndjson", ".jsonl")
_GZIP = b"\x1f\x8b"
_FHIR_XML = b"http://hl7.org/fhir"


@dataclass(frozen=True)
class Source:
    """The FHIR files of a source in the order of their names, and how many others there are."""

    files: list[Stored]
    passed_over: Counter[str] = field(default_factory=Counter)
    """Number of files that are not read, by reason."""


def find(source: str) -> Source:
    """Return the FHIR files at a source.

    Raises
    ------
    UserError
        When the source is a server, a file cannot be read, or no file is FHIR JSON.
    """
    if source.lower().startswith(("http://", "https://")):
        raise UserError(
            "ingest reads a FHIR server over https:// only; give its https:// base, or files, a folder or s3://…."
        )
    discovered = Source([])
    for entry in storage.entries(source):
        if PurePosixPath(entry.place).name == LANDING_STATE:
            continue  # written by this program
        reason = _passed_over(entry, source)
        if reason is None:
            discovered.files.append(storage.marked(entry))
        else:
            discovered.passed_over[reason] += 1
    if not discovered.files:
        others = ", ".join(f"{count} {reason}" for reason, count in sorted(discovered.passed_over.items()))
        seen = f" (skipped: {others})" if others else ""
        raise UserError(f"There is no FHIR JSON or NDJSON file at {source}{seen}; check the path or the prefix.")
    return discovered


def by_lines(place: str) -> bool:
    """Return whether a file's own name says that it is NDJSON; the names of its folders say nothing."""
    return any(suffix in PurePosixPath(place).name.lower() for suffix in _LINES)


def _passed_over(entry: Stored, source: str) -> str | None:
    """Return why a file is not read; nothing when it is."""
    name = PurePosixPath(entry.place).name.lower()
    if _hidden(entry.place, source):
        return HIDDEN
    if not entry.regular:
        return IRREGULAR
    if name.endswith(_TABLES):
        return TABLE
    if name.endswith(_ARCHIVES):
        return ARCHIVE
    if entry.size == 0:
        # An empty document is a broken one; an empty list of lines is what an export of nothing looks like.
        return None if name.endswith(".json") else EMPTY
    readable = name.endswith(SUFFIXES[:-1])
    return None if readable else _unlike_fhir(storage.head(entry.place, HEAD))


def _hidden(place: str, source: str) -> bool:
    below = place.removeprefix(source.rstrip("/")).lstrip("/")
    return any(part.startswith(".") for part in below.split("/") if part)


def _unlike_fhir(head: bytes) -> str | None:
    """Return why a file is not read, judged by its first bytes; nothing when it looks like FHIR JSON."""
    if head.startswith(_GZIP):
        try:
            head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, HEAD)
        except zlib.error:
            return None  # a broken gzip file is reported when it is read
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        return EMPTY if len(head) < HEAD else OTHER
    if text.startswith(b"<"):
        return XML if _FHIR_XML in text else OTHER
    if text.startswith(b"PK\x03\x04"):
        return ARCHIVE
    return None if text[:1] in b"{[" and b'"resourceType"' in text else OTHER
