"""Time zone of a hospital's dates: as configured, else the most frequent offset of its timestamps."""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from model.errors import UserError
from model.io import storage
from model.io.stored import Stored

SAMPLED_FILES = 64
SAMPLED_BYTES = 256 * 1024
"""The number of files, spread over all, and the bytes of each, that are read to find the offset."""

_OFFSET = re.compile(rb'"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?([+-])(\d{2}):(\d{2})"')


@dataclass(frozen=True)
class Zone:
    """A time zone and where it comes from."""

    tz: tzinfo
    said: str
    """What a person reads: the setting, or the offset that was found."""
    is_set: bool


def zone_of(name: str | None, files: Iterable[Stored]) -> Zone:
    """Return the time zone in which dates without a time are read.

    Parameters
    ----------
    name : str, optional
        A name of the IANA time zone database, such as ``America/New_York``.
    files : iterable of Stored
        The source. Without a name, the most frequent UTC offset of a sample of it counts: a fixed one, without daylight
        saving time. ``Z`` says nothing of where a hospital is.

    Raises
    ------
    UserError
        When there is no such time zone.
    """
    if name is not None:
        try:
            return Zone(ZoneInfo(name), name, True)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UserError(
                f"{name} is not a time zone; give a name such as America/New_York or Europe/Berlin with --zone."
            ) from None
    counted = Counter(_offsets(list(files)))
    if not counted:
        return Zone(UTC, "UTC", False)
    minutes = min(counted, key=lambda offset: (-counted[offset], offset))
    return Zone(timezone(timedelta(minutes=minutes)), f"UTC{minutes // 60:+03d}:{minutes % 60:02d}", False)


def _offsets(files: list[Stored]) -> Iterator[int]:
    step = max(1, len(files) // SAMPLED_FILES)
    for stored in files[::step][:SAMPLED_FILES]:
        content = _unpacked(storage.head(stored.place, SAMPLED_BYTES))
        for sign, hours, minutes in _OFFSET.findall(content):
            offset = int(hours) * 60 + int(minutes)
            if offset < 24 * 60:
                yield -offset if sign == b"-" else offset


def _unpacked(content: bytes) -> bytes:
    """Return the beginning of a file, of a gzip file what its first bytes unpack to; what is broken gives nothing."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(content, SAMPLED_BYTES)
    except zlib.error:
        return b""
