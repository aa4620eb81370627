"""Read FHIR files: bundles, single resources and NDJSON, plain or gzip, in pieces of bounded size."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from model import places
from model.errors import UserError

SUFFIXES = (".json", ".ndjson", ".json.gz", ".ndjson.gz", ".gz")
LINES_A_PIECE = 2000


@dataclass(frozen=True)
class Item:
    """One resource as it was found, or why it could not be read."""

    index: int
    resource: dict[str, Any] | None
    full_url: str | None = None
    fault: str | None = None


@dataclass(frozen=True)
class Piece:
    """Some resources of one file; a file is known by its hash, for its name may be a patient's."""

    sha256: str
    form: str
    items: tuple[Item, ...]


def find(source: str) -> list[places.Stored]:
    """Return the FHIR files at a source."""
    if source.startswith(("http://", "https://")):
        raise UserError("A FHIR server cannot be read yet; export to files and give their folder or s3:// prefix.")
    found = [stored for stored in places.listing(source) if stored.place.lower().endswith(SUFFIXES)]
    if not found:
        raise UserError(f"There is no .json, .ndjson or .gz file at {source}; check the path or the prefix.")
    return found


def read(stored: places.Stored) -> Iterator[Piece]:
    """Read one file; whatever is wrong with it becomes an item with a fault, never an exception."""
    content = places.read(stored.place)
    sha256 = hashlib.sha256(content).hexdigest()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            yield Piece(sha256, "file", (Item(0, None, fault="the gzip stream is broken or cut short"),))
            return
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        yield Piece(sha256, "file", (Item(0, None, fault="the file is not UTF-8"),))
        return
    if ".ndjson" in stored.place.lower():
        yield from _lines(sha256, text)
    else:
        yield _document(sha256, text)


def _lines(sha256: str, text: str) -> Iterator[Piece]:
    items: list[Item] = []
    for index, line in enumerate(text.split("\n")):
        if line.strip():
            items.append(_parsed(index, line))
        if len(items) >= LINES_A_PIECE:
            yield Piece(sha256, "ndjson", tuple(items))
            items = []
    if items:
        yield Piece(sha256, "ndjson", tuple(items))


def _document(sha256: str, text: str) -> Piece:
    whole = _parsed(0, text)
    if whole.resource is None or whole.resource.get("resourceType") != "Bundle":
        return Piece(sha256, "resource", (whole,))
    entries = whole.resource.get("entry", [])
    if not isinstance(entries, list):
        return Piece(sha256, "bundle", (Item(0, None, fault="the bundle's entry is not a list"),))
    return Piece(sha256, "bundle", tuple(_entry(index, entry) for index, entry in enumerate(entries)))


def _entry(index: int, entry: Any) -> Item:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(resource, dict):
        return Item(index, None, fault="the bundle's entry holds no resource")
    full_url = entry.get("fullUrl")
    return Item(index, resource, full_url if isinstance(full_url, str) else None)


def _parsed(index: int, text: str) -> Item:
    try:
        value = json.loads(text, parse_constant=_not_a_number)
    except RecursionError:
        return Item(index, None, fault="the JSON is nested too deeply")
    except ValueError:
        return Item(index, None, fault="the JSON is not valid")
    if not isinstance(value, dict):
        return Item(index, None, fault="the JSON is not an object")
    return Item(index, value)


def _not_a_number(name: str) -> NoReturn:
    raise ValueError(name)
