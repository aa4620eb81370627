"""IAM wildcards: ``*`` matches any characters, slashes and colons included, and ``?`` matches exactly one."""

import re
from functools import cache, lru_cache

_WILDCARD = re.compile(r"[*?]")
# More pairs than the policies of a large stack compare; the oldest are forgotten.
_PAIRS = 1 << 17


@lru_cache(_PAIRS)
def matches(pattern: str, text: str) -> bool:
    """Return whether a pattern matches a text; of two patterns, whether the first matches all that the second does.

    The second use is sound: a ``*`` of the text is only matched by a ``*`` of the pattern.
    """
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(_PAIRS)
def overlap(one: str, other: str) -> bool:
    """Return whether some text matches both patterns."""
    start, other_start = literal_prefix(one), literal_prefix(other)
    if not start.startswith(other_start) and not other_start.startswith(start):
        return False
    if "*" not in one and "?" not in one:
        return matches(other, one)
    before = [True] + [False] * len(other)
    for column, sign in enumerate(other):
        before[column + 1] = before[column] and sign == "*"
    for letter in one:
        now = [before[0] and letter == "*"]
        for column, sign in enumerate(other):
            if letter == "*" or sign == "*":
                now.append(before[column + 1] or now[column])
            else:
                now.append(before[column] and (letter == sign or "?" in (letter, sign)))
        before = now
    return before[-1]


@lru_cache(_PAIRS)
def arns_overlap(one: str, other: str) -> bool:
    """Return whether some ARN matches both patterns; between two patterns of whole ARNs, part by part.

    A ``*`` for a region or an account matches no text of the parts that follow it.
    """
    parts, others = one.split(":", 5), other.split(":", 5)
    if len(parts) < 6 or len(others) < 6:
        return overlap(one, other)
    return all(overlap(part, other_part) for part, other_part in zip(parts, others, strict=True))


@lru_cache(_PAIRS)
def literal_prefix(pattern: str) -> str:
    """Return the part of a pattern before its first wildcard."""
    return _WILDCARD.split(pattern, maxsplit=1)[0]


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    text = "".join(".*" if sign == "*" else "[^*]" if sign == "?" else re.escape(sign) for sign in pattern)
    return re.compile(text, re.DOTALL)
