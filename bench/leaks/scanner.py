"""Scanner for identifiers in the bytes of all output, including compressed and encoded content."""

import base64
import binascii
import contextlib
import gzip
import io
import re
import sqlite3
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.leaks.canaries import forms

DEEPEST = 4
_PACKED_TEXT = re.compile(rb"[A-Za-z0-9+/]{64,}={0,2}")
_WORD = re.compile(r"[^\W\d_]+\d*")


class Scanner:
    """Search for identifiers in all their encodings.

    Parameters
    ----------
    needles
        The identifiers by their kind.
    """

    def __init__(self, needles: Mapping[str, str]) -> None:
        self._forms = {kind: sorted(forms(needle)) for kind, needle in needles.items()}
        self.found: dict[str, set[str]] = {kind: set() for kind in needles}
        self.words: set[str] = set()
        self.size = 0

    def scan(self, name: str, content: bytes) -> None:
        """Scan one file or text, and everything packed in it."""
        for part in unpacked(content):
            self.size += len(part)
            lowered = part.lower()
            for kind, looks in self._forms.items():
                if any(look in part or look.lower() in lowered for look in looks):
                    self.found[kind].add(name)
            self.words.update(word.lower() for word in _WORD.findall(part.decode("utf-8", "ignore")))

    def scan_folder(self, folder: Path) -> None:
        """Scan every file below a folder, and the names of files and folders."""
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            self.scan(name, name.encode())
            if path.is_file():
                self.scan(name, path.read_bytes())


def unpacked(content: bytes, depth: int = 0) -> Iterator[bytes]:
    """Yield the bytes and the unpacked content of a table, database, archive, image or encoded text."""
    yield content
    if depth >= DEEPEST:
        return
    for inside in _inside(content):
        yield from unpacked(inside, depth + 1)


def _inside(content: bytes) -> Iterator[bytes]:
    # Not a valid packed file: its own bytes were yielded already.
    with contextlib.suppress(OSError, EOFError, ValueError, zlib.error, pa.ArrowException, sqlite3.Error):
        if content[:2] == b"\x1f\x8b":
            yield gzip.decompress(content)
        elif content[:4] == b"PAR1":
            yield from _table(content)
        elif content[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                yield from (entry.encode() for entry in archive.namelist())
                yield from (archive.read(entry) for entry in archive.namelist())
        elif content[:16] == b"SQLite format 3\0":
            yield from _database(content)
        elif content[:8] == b"\x89PNG\r\n\x1a\n":
            yield from _image_texts(content)
        elif content[:1] == b"\x78":
            yield zlib.decompress(content)
        elif content[257:262] == b"ustar":
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                files = (archive.extractfile(member) for member in archive.getmembers())
                yield from (file.read() for file in files if file is not None)
    for packed in _PACKED_TEXT.findall(content):
        with contextlib.suppress(binascii.Error, ValueError):
            yield base64.b64decode(packed + b"=" * (-len(packed) % 4))


def _table(content: bytes) -> Iterator[bytes]:
    file = pq.ParquetFile(io.BytesIO(content))
    yield str(file.schema_arrow.metadata).encode()
    yield str(file.metadata.to_dict()).encode()
    for batch in file.iter_batches():
        for column in batch.columns:
            yield "\n".join(map(str, column.to_pylist())).encode()


def _database(content: bytes) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "copy.db"
        path.write_bytes(content)
        database = sqlite3.connect(path)
        yield "\n".join(database.iterdump()).encode()
        database.close()


def _image_texts(content: bytes) -> Iterator[bytes]:
    """Yield the texts of an image, which may be compressed."""
    place = 8
    while place + 8 <= len(content):
        length, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        body = content[place + 8 : place + 8 + length]
        if kind in {b"tEXt", b"iTXt", b"eXIf"}:
            yield body
        if kind in {b"zTXt", b"iTXt"}:
            yield zlib.decompress(body[body.index(b"\0") + 2 :])
        place += length + 12
