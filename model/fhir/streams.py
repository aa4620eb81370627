"""Byte stream of one stored file: decompressed on the fly, with a size limit."""

import gzip
import zlib
from collections.abc import Callable
from io import BufferedIOBase

from model.fhir.parsing import UnreadableError

LARGEST_FILE = 64 * 1024**3
"""Bytes of one file when unpacked."""
MOST_EXPANSION = 200
"""A gzip file may grow by this factor; FHIR grows by 10 to 30, a zip bomb by 1,000."""
FREE_EXPANSION = 64 * 1024**2
"""Below this size nothing is said about the growth."""

BROKEN_GZIP = "the gzip stream is broken or cut short"
TOO_LARGE = f"the file unpacks to more than {LARGEST_FILE // 1024**3} GB"
BOMB = f"the file unpacks to more than {MOST_EXPANSION} times its size"

_GZIP = b"\x1f\x8b"


class Unpacked:
    """Reads a file, gzip or not, without ever holding more than was asked for.

    Parameters
    ----------
    raw : BufferedIOBase
        The file as stored, at its beginning and seekable.
    stored_size : int
        Its size in bytes.
    """

    def __init__(self, raw: BufferedIOBase, stored_size: int) -> None:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        self._file: BufferedIOBase = gzip.GzipFile(fileobj=raw, mode="rb") if packed else raw
        self._limit = min(LARGEST_FILE, max(FREE_EXPANSION, MOST_EXPANSION * stored_size)) if packed else LARGEST_FILE
        self._taken = 0

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes; none at the end.

        Raises
        ------
        UnreadableError
            If the gzip stream is broken, or the file grows beyond its bounds.
        """
        return self._bounded(self._file.read, size)

    def readline(self, size: int, /) -> bytes:
        """Return the next line, or so many bytes of it; raises as ``read`` does."""
        return self._bounded(self._file.readline, size)

    def _bounded(self, take: Callable[[int], bytes], size: int) -> bytes:
        try:
            content = take(size)
        except (OSError, EOFError, zlib.error):
            raise UnreadableError(BROKEN_GZIP) from None
        self._taken += len(content)
        if self._taken > self._limit:
            raise UnreadableError(TOO_LARGE if self._taken > LARGEST_FILE else BOMB)
        return content
