"""FHIR file reader: Bundles, single resources and NDJSON, plain or gzip, in chunks of bounded size."""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase, BytesIO
from typing import Any, Protocol

from model.errors import UserError
from model.fhir import parsing
from model.fhir.bundles import Item, Page, entries, entry_item, is_bundle, newest_first, pages
from model.fhir.discovery import by_lines
from model.fhir.parsing import Document, UnreadableError, strict
from model.fhir.references import References
from model.fhir.streams import Unpacked
from model.io import storage
from model.io.stored import Stored

ITEMS_A_PIECE = 1000
WHOLE_BELOW = 8 * 1024 * 1024
"""Bytes up to which a document is parsed whole; a larger one is read entry by entry."""


_MARK = b"\xef\xbb\xbf"
_OPENING = 4096
_NONE = References(())


FILE_BITS = 40
"""Bits of the sequence that number the entries of one file."""


class Lines(Protocol):
    """Source of lines."""

    def readline(self, size: int, /) -> bytes:
        """Return the next line, or so many bytes of it."""
        ...


@dataclass(frozen=True)
class Piece:
    """Some resources of one file; a file is known by its hash, for its name may be a patient's."""

    sha256: str
    form: str
    items: tuple[Item, ...]
    references: References
    newest_first: bool = False
    pages: tuple[Page, ...] = ()
    """The pages of searches that the Bundles of this piece are."""
    broken: str | None = None
    """Why the rest of the file, or all of it, could not be read."""

    def place(self, item: Item) -> int:
        """Return an item's place in the order of time inside its file."""
        return (1 << FILE_BITS - 1) - item.index if self.newest_first else item.index


def read(stored: Stored) -> Iterator[Piece]:
    """Read one file; whatever is wrong with its content becomes an item with a fault or ``broken``.

    Raises
    ------
    UserError
        If the file cannot be opened, or is no longer the one that was found.
    """
    with storage.reading(stored.place) as raw:
        sha256 = hashlib.file_digest(raw, "sha256").hexdigest()
        if not storage.is_s3(stored.place) and stored.mark not in {"", sha256}:
            raise UserError("A file of the source changed while it was read; run ingest again when it is complete.")
        size = raw.tell()
        raw.seek(0)
        try:
            if by_lines(stored.place) and not _opens_document(Unpacked(raw, size).read(_OPENING)):
                raw.seek(0)
                yield from _in_pieces(sha256, _lines(Unpacked(raw, size)))
                return
            raw.seek(0)
            content = Unpacked(raw, size).read(WHOLE_BELOW)
            raw.seek(0)
            if len(content) < WHOLE_BELOW:
                yield from _small(sha256, content.removeprefix(_MARK))
            elif _looks_like_lines(content.removeprefix(_MARK)):
                yield from _in_pieces(sha256, _lines(Unpacked(raw, size)))
            else:
                yield from _large(sha256, raw, size)
        except UnreadableError as fault:
            yield Piece(sha256, "file", (), _NONE, broken=str(fault))


def _small(sha256: str, content: bytes) -> Iterator[Piece]:
    try:
        bundle = _bundle(0, strict(content))
    except UnreadableError:
        if not _looks_like_lines(content):
            raise
        yield from _in_pieces(sha256, _lines(BytesIO(content)))
        return
    form = "bundle" if bundle.whole else "resource"
    yield Piece(sha256, form, bundle.items, bundle.references, bundle.newest_first, bundle.pages)


def _opens_document(opening: bytes) -> bool:
    """Return whether a file that is called NDJSON begins as one document over several lines."""
    return opening.removeprefix(_MARK).lstrip().partition(b"\n")[0].strip() in {b"{", b"["}


def _looks_like_lines(content: bytes) -> bool:
    """Return whether a file is NDJSON in spite of its name."""
    first, separator, rest = content.partition(b"\n")
    if not separator or not rest.strip():
        return False
    try:
        return isinstance(strict(first), dict)
    except UnreadableError:
        return False


@dataclass(frozen=True)
class _Found:
    """The items of one line or document."""

    items: tuple[Item, ...]
    references: References
    newest_first: bool = False
    whole: bool = False
    """They are of a Bundle."""
    pages: tuple[Page, ...] = ()


def _bundle(index: int, value: Any) -> _Found:
    if is_bundle(value):
        items = tuple(entries(value, index))
        return _Found(items, References(items), newest_first(value), whole=True, pages=tuple(pages(value)))
    fault = None if isinstance(value, dict) else "the JSON is not an object"
    return _Found((Item(index, value if fault is None else None, fault=fault),), _NONE)


def _lines(stream: Lines) -> Iterator[_Found]:
    """Give what each line holds; the number of an item is that of its line while no line is a Bundle."""
    index = 0
    mark = _MARK
    while line := stream.readline(parsing.LARGEST_RESOURCE):
        line, mark = line.removeprefix(mark), b""
        try:
            if len(line) >= parsing.LARGEST_RESOURCE and not line.endswith(b"\n"):
                _skip_line(stream)
                raise UnreadableError(parsing.TOO_LONG)
            bundle = _bundle(index, strict(line)) if line.strip() else _Found((), _NONE)
        except UnreadableError as fault:
            bundle = _Found((Item(index, None, fault=str(fault)),), _NONE)
        yield bundle
        index += max(1, len(bundle.items))


def _skip_line(stream: Lines) -> None:
    while (rest := stream.readline(parsing.WINDOW)) and not rest.endswith(b"\n"):
        pass


def _in_pieces(sha256: str, lines: Iterator[_Found]) -> Iterator[Piece]:
    """Give lines in pieces, and a line that is a Bundle as a piece of its own, for its references are its own.

    Raises
    ------
    UnreadableError
        As the lines do, after what came before has been given.
    """
    waiting: list[Item] = []
    broken: UnreadableError | None = None
    while broken is None:
        try:
            line = next(lines, None)
        except UnreadableError as fault:
            line, broken = None, fault
        if waiting and (line is None or line.whole or len(waiting) >= ITEMS_A_PIECE):
            yield Piece(sha256, "ndjson", tuple(waiting), _NONE)
            waiting = []
        if line is None:
            break
        if line.whole:
            yield Piece(sha256, "ndjson", line.items, line.references, line.newest_first, line.pages)
        else:
            waiting.extend(line.items)
    if broken is not None:
        raise broken


def _large(sha256: str, raw: BufferedIOBase, size: int) -> Iterator[Piece]:
    """Read a big document twice: references may point forward, so its own names are learned first."""
    document = Document(Unpacked(raw, size), "entry")
    broken: list[UnreadableError] = []
    inside: list[Page] = []
    references = References(_until_broken(_items(document, inside), broken))
    if not is_bundle(document.members):
        if broken:
            raise broken[0]
        yield Piece(sha256, "resource", (Item(0, document.members),), _NONE)
        return
    raw.seek(0)
    items = _until_broken(_items(Document(Unpacked(raw, size), "entry"), []), broken := [])
    backwards = newest_first(document.members)
    whole = (*pages(document.members), *inside)
    while part := tuple(itertools.islice(items, ITEMS_A_PIECE)):
        yield Piece(sha256, "bundle", part, references, backwards)
    if whole:
        yield Piece(sha256, "bundle", (), references, pages=whole)
    if broken:
        raise broken[0]


def _until_broken(items: Iterator[Item], broken: list[UnreadableError]) -> Iterator[Item]:
    """Give the items up to where the file stops being readable, and note why it does."""
    try:
        yield from items
    except UnreadableError as fault:
        broken.append(fault)


def _items(document: Document, inside: list[Page]) -> Iterator[Item]:
    """Give the items of a big Bundle, and add the pages that Bundles inside it are."""
    index = 0
    for content in document.items():
        try:
            item = entry_item(index, strict(content))
        except UnreadableError as fault:
            item = Item(index, None, fault=str(fault))
        bundle = item.resource if is_bundle(item.resource) else None
        inside.extend(pages(bundle, 1) if bundle is not None else ())
        items = iter((item,)) if bundle is None else entries(bundle, index, 1)
        for one in items:
            yield one
            index = one.index + 1
