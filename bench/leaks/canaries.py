"""Canaries for the 18 identifiers of 45 CFR 164.514(b)(2), and their representation in FHIR types."""

import base64
import re
from collections.abc import Mapping
from urllib.parse import quote

CANARIES: Mapping[str, str] = {
    "A name": "Quackenbush-Oyelaran",
    "B address": "1313 Mockingbird Lane",
    "C date": "1931-07-04",
    "D telephone": "617-555-0199",
    "E fax": "617-555-0142",
    "F e-mail": "quack@canary.example",
    "G social security number": "987-65-4320",
    "H medical record number": "MRN88412267",
    "I health plan number": "H5521-994471",
    "J account": "ACC55512399",
    "K licence": "S99912377",
    "L vehicle": "1HGCM82633A004352",
    "M device": "UDI0884838001",
    "N web address": "https://canary.example/q",
    "O IP address": "203.0.113.77",
    "P voice print": "voiceprint-7731",
    "Q photograph": "Q0FOQVJZUEhPVE8",
    "R other code": "88123456789",
}
DIGITS_THAT_IDENTIFY = 7
LARGEST_INTEGER = 2_147_483_647


def held(kind: str, canary: str, choices: list[str]) -> object:
    """Return a canary as a value of a FHIR primitive type; one of ``choices`` if only listed codes are valid.

    Parameters
    ----------
    kind
        The type's name: String, Code, Uri, Date and so on.
    canary
        What to hold.
    choices
        The codes of a required binding, if any.
    """
    if choices:
        return choices[0]
    digits = re.sub(r"\D", "", canary) or "4711"
    plain: dict[str, object] = {
        "Id": re.sub(r"[^A-Za-z0-9\-.]", "-", canary),
        "Uri": quote(canary, safe=":/@"),
        "Url": f"http://leak.example/{quote(canary, safe='')}",
        "Canonical": f"http://leak.example/{quote(canary, safe='')}|1",
        "Oid": f"urn:oid:2.16.{digits.lstrip('0')}",
        "UuidVersion": "c757873d-ec9a-4326-a141-556f43239520",
        "Base64Binary": base64.b64encode(canary.encode()).decode(),
        "Xhtml": f'<div xmlns="http://www.w3.org/1999/xhtml">{canary}</div>',
        "Date": "1931-07-04",
        "DateTime": "1931-07-04T07:04:00Z",
        "Instant": "1931-07-04T07:04:00Z",
        "Time": "07:04:00",
        "Boolean": False,
        "Decimal": int(digits),
        **dict.fromkeys(("Integer", "PositiveInt", "UnsignedInt"), min(int(digits), LARGEST_INTEGER)),
    }
    return plain.get(kind, canary)


def file_stem(canary: str) -> str:
    """Return a canary as part of a file name."""
    return re.sub(r"[^\w.@-]", "_", canary)


def forms(canary: str) -> set[bytes]:
    """Return the encodings of a canary: plain, upper and lower case, reversed, base64, hex, URL and UTF-16."""
    texts = {canary, canary.lower(), canary.upper(), canary[::-1], quote(canary, safe=""), quote(canary, safe=":/@")}
    texts |= {canary.replace(" ", ""), file_stem(canary), re.sub(r"[^A-Za-z0-9\-.]", "-", canary)}
    digits = re.sub(r"\D", "", canary)
    if len(digits) >= DIGITS_THAT_IDENTIFY and not re.search("[A-Za-z]", canary):
        texts |= {digits, digits[::-1]}
    encoded = {text.encode() for text in texts} | {canary.encode("utf-16-le"), canary.encode("utf-16-be")}
    for content in (canary.encode(), canary[::-1].encode()):
        encoded |= {content.hex().encode(), content.hex().upper().encode()} | _base64(content)
    return encoded


def _base64(content: bytes) -> set[bytes]:
    """Return the base64 substrings that do not depend on the offset of the content in a text."""
    encodings = set()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + content).rstrip(b"=")
        whole = encoded[(before * 8 + 5) // 6 :]
        kept = whole if (before + len(content)) % 3 == 0 else whole[:-1]
        encodings |= {kept, kept.replace(b"+", b"-").replace(b"/", b"_")}
    return encodings
