"""Download of one export file: streamed, complete or not at all, stored as gzip NDJSON."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from model.errors import UserError
from model.fhir_server.wire import PassingError, Wire, origin

GZIP = b"\x1f\x8b"
LEVEL = 4
PART = 65536
GONE = frozenset({404, 410})


class GoneError(Exception):
    """The server no longer has what it once named: an export's status or one of its files."""


def download(wire: Wire, url: str, target: Path, what: str, *, with_token: bool, expected: int | None) -> int:
    """Fetch an NDJSON file, again from its start when the connection breaks.

    Parameters
    ----------
    wire : Wire
        The connections to the server.
    url : str
        Where the file is; on another host it is fetched without token and certificate.
    target : Path
        Where it goes, compressed.
    what : str
        The file in words, for a message.
    with_token : bool
        Whether the server wants our token for it.
    expected : int, optional
        How many resources the manifest promises.

    Returns
    -------
    int
        The resources in the file.

    Raises
    ------
    UserError
        When the file stays cut short or differs from what the manifest promises.
    GoneError
        When the server no longer has it.
    """

    def once() -> int:
        with wire.stream(url, what, with_token=with_token, accepted=GONE) as answer:
            if answer.status_code in GONE:
                raise GoneError(what)
            _readable(wire, answer, what)
            lines = Lines()
            try:
                # Some servers send files that are gzip, some compress on the way, and some do both.
                with packed(target) as file:
                    for chunk in lines.seen(unzipped(unzipped(answer.iter_raw()))):
                        file.write(chunk)
            except (zlib.error, EOFError):
                raise PassingError("sent a broken gzip stream") from None
        if not lines.whole:
            raise PassingError("ended in the middle of a line")
        if expected is not None and lines.count != expected:
            raise PassingError(f"sent {lines.count} resources where its manifest promises {expected}")
        return lines.count

    return wire.patiently(what, once)


@contextmanager
def packed(target: Path) -> Iterator[gzip.GzipFile]:
    """Give a gzip file to write to; the same bytes give the same file."""
    with target.open("wb") as raw, gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as file:
        yield file


def unzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Give the content of a gzip stream, or the stream itself when it is none.

    Raises
    ------
    EOFError
        When a gzip stream is cut short.
    zlib.error
        When it is broken.
    """
    waiting = iter(chunks)
    start = b""
    for chunk in waiting:
        start += chunk
        if len(start) >= len(GZIP):
            break
    if not start.startswith(GZIP):
        yield start
        yield from waiting
        return
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for chunk in _chained(start, waiting):
        rest = chunk
        while rest:
            if unpack.eof:
                unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
            unpacked = unpack.decompress(rest)
            # A little can hold much; what unpacks it once more gets it in small parts.
            yield from (unpacked[at : at + PART] for at in range(0, len(unpacked), PART))
            rest = unpack.unused_data
    if not unpack.eof:
        raise EOFError


class Lines:
    """Counts the lines that hold something, in memory that does not grow with their length."""

    def __init__(self) -> None:
        self.count = 0
        self.whole = True
        self._inside = False

    def seen(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Give the chunks on, counted."""
        for chunk in chunks:
            for number, piece in enumerate(chunk.split(b"\n")):
                if number:
                    self._inside = False
                if piece.strip():
                    self.count += not self._inside
                    self._inside = True
                    # Every line is a JSON object; one that is cut short does not end as such.
                    self.whole = piece.rstrip().endswith(b"}")
            yield chunk


def _chained(start: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield start
    yield from rest


def _readable(wire: Wire, answer: httpx.Response, what: str) -> None:
    encoding = answer.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise UserError(f"The FHIR server {origin(wire.base)} sent {what} in an unrequested Content-Encoding.")
