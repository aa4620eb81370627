"""What a credential looks like, in the name of a variable or in a value."""

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Iterator

_NAME = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|PRIVATE|CREDENTIAL|API_?KEY|ACCESS_?KEY|_KEY$", re.IGNORECASE
)
_FILE = re.compile(r"/[A-Za-z0-9._/-]+")
FORMS = {
    "a private key": re.compile(r"PRIVATE KEY"),
    "a JWT": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    "a token of Vault": re.compile(r"\b(?:hv)?[sbr]\.[A-Za-z0-9_-]{20,}"),
    "an access key of AWS": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a URL with a password": re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@"),
    "a password among parameters": re.compile(r"(?:password|passwd|pwd)\s*[=:]\s*[^\s;,\"']{4,}", re.IGNORECASE),
    "a private JWK": re.compile(r'"d"\s*:\s*"[A-Za-z0-9_-]{20,}"'),
}
_RANDOM = re.compile(r"[A-Za-z0-9+/=_!@#$%^&*~-]{16,}")
_CLASSES = (r"[a-z]", r"[A-Z]", r"[0-9]")
_RANDOM_BITS = 3.6


def credentials(name: str, value: str) -> list[str]:
    """Return what of a variable looks like a credential; the path of a file does not.

    Parameters
    ----------
    name
        Its name.
    value
        Its value, which is also judged as decoded from base64.
    """
    found = [f"{what} in {name}" for text in _readings(value) for what, form in FORMS.items() if form.search(text)]
    if value and _NAME.search(name) and not _FILE.fullmatch(value):
        found.append(f"a value by the name {name}")
    if is_random(value):
        found.append(f"a random value in {name}")
    return sorted(set(found))


def is_random(value: str) -> bool:
    """Return whether a value is like a generated password: letters of both cases and digits in no order.

    Text that is encoded in base64 is not.
    """
    if not _RANDOM.fullmatch(value) or _FILE.fullmatch(value) or len(list(_readings(value))) > 1:
        return False
    counts = Counter(value)
    bits = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    return bits > _RANDOM_BITS and all(re.search(one, value) for one in _CLASSES)


def _readings(value: str) -> Iterator[str]:
    yield value
    try:
        yield base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return
