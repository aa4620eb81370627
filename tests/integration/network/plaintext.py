"""Whether captured bytes are TLS, and whether any of them can be read."""

import json
import re
from collections.abc import Iterable
from typing import Any

import yaml

from tests.integration.network.packets import Packet, Stream
from tests.support.repository import REPOSITORY

SHORTEST = 5
"""Shorter values may be in ciphertext by chance."""
_LONGEST_RECORD, _HEADER = 16384 + 256, 5
_KINDS, _VERSIONS = range(20, 24), (b"\x03\x01", b"\x03\x03")
_DATA, _HANDSHAKE = 23, 22
_HELLOS = (b"\x01", b"\x02")
# How PostgreSQL's protocol asks for TLS, and the server agrees; before it, for encryption by GSSAPI, which it declines.
_ASKS_FOR_TLS = re.compile(rb"(?:\0\0\0\x08\x04\xd2\x16\x30)?\0\0\0\x08\x04\xd2\x16\x2f|N?S(?=\x16)")

READABLE = {
    "an HTTP request": re.compile(
        rb"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|CONNECT) [^ \r\n]{1,2000} HTTP/1|PRI \* HTTP/2"
    ),
    "an HTTP answer": re.compile(rb"HTTP/1\.[01] [1-5][0-9]{2}"),
    "JSON": re.compile(rb'\{\s*"[A-Za-z_][A-Za-z0-9_.-]{2,60}"\s*:'),
    "SQL": re.compile(rb"(?:SELECT|INSERT INTO|UPDATE|DELETE FROM) [a-z_*\"]{3}"),
    "a token": re.compile(rb"Bearer [A-Za-z0-9]{6}|\beyJ[A-Za-z0-9_-]{12,}\."),
    "a pseudonym": re.compile(rb"\bv[0-9]{1,4}-[0-9a-f]{13,}"),
}
"""What can be recognised by its form."""


def is_tls(stream: Stream) -> bool:
    """Return whether all bytes of a stream are TLS records, the last of which may be incomplete.

    Of a connection that was open before the capture, it is enough from a segment on that lies in the first half.
    """
    if stream.whole:
        return _are_records(after_request(stream))
    half = len(stream.data) // 2
    return any(_are_records(stream.data[start:]) for start in stream.starts if start <= half)


def after_request(stream: Stream) -> bytes:
    """Return the bytes after PostgreSQL's request for TLS, or all of them."""
    asked = _ASKS_FOR_TLS.match(stream.data) if stream.whole else None
    return stream.data[asked.end() :] if asked else stream.data


def begins_with_hello(stream: Stream) -> bool:
    """Return whether a stream begins with a TLS record that has a ClientHello or a ServerHello."""
    data = after_request(stream)
    return stream.whole and data[:2] == bytes([_HANDSHAKE, 3]) and data[5:6] in _HELLOS


def carries_data(stream: Stream) -> bool:
    """Return whether a segment of a stream begins with a TLS record of application data."""
    return any(stream.data[start : start + 3] == bytes([_DATA, 3, 3]) for start in stream.starts)


def _are_records(data: bytes) -> bool:
    place = 0
    while place + _HEADER <= len(data):
        length = int.from_bytes(data[place + 3 : place + 5], "big")
        if data[place] not in _KINDS or data[place + 1 : place + 3] not in _VERSIONS or length > _LONGEST_RECORD:
            return False
        place += _HEADER + length
    return len(data) >= _HEADER


def readable(packets: Iterable[Packet], found: Iterable[Stream], values: dict[str, bytes]) -> dict[str, set[int]]:
    """Return what can be read, and in connections with which ports.

    Parameters
    ----------
    packets, found
        What was captured: each packet alone, and the bytes of each connection.
    values
        Values that are looked for beside what has a known form, by their names.
    """
    parts = [(one.payload, one) for one in packets if one.payload] + [(one.data, one) for one in found]
    seen: dict[str, set[int]] = {}
    for data, one in parts:
        names = {name for name, form in READABLE.items() if form.search(data)}
        names |= {name for name, value in values.items() if value in data}
        for name in names:
            seen.setdefault(name, set()).update((one.source[1], one.target[1]))
    return seen


def identifying(prefetch: dict[str, Any], *more: str) -> dict[str, bytes]:
    """Return what identifies the patient of a hook: names, numbers, birth date, telephone, and more values."""
    patient = prefetch["patient"]
    texts = [patient["id"], patient["birthDate"], *more]
    texts += [part for name in patient["name"] for part in (name.get("family", ""), *name.get("given", ()))]
    texts += [one.get("value", "") for kind in ("identifier", "telecom") for one in patient.get(kind, ())]
    long = sorted({text for text in texts if len(text) >= SHORTEST})
    return {f"value {number} of the patient": text.encode() for number, text in enumerate(long)}


def feature_names() -> dict[str, bytes]:
    """Return the names of the model's features, which short ones have in JSON with quotation marks."""
    table = yaml.safe_load((REPOSITORY / "model" / "definitions" / "features.yaml").read_text(encoding="utf-8"))
    names = [row["name"] for row in table["features"]]
    return {f"the feature {name}": (name if len(name) > SHORTEST else json.dumps(name)).encode() for name in names}
