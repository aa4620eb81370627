"""IAM wildcards: ``*`` matches any characters, slashes and colons included, and ``?`` matches exactly one."""

import re
from functools import cache


def matches(pattern: str, text: str) -> bool:
    """Return whether a pattern matches a text; of two patterns, whether the first matches all that the second does.

    The second use is sound: a ``*`` of the text is only matched by a ``*`` of the pattern.
    """
    return _compiled(pattern).fullmatch(text) is not None


def overlap(one: str, other: str) -> bool:
    """Return whether some text matches both patterns."""
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


def literal_prefix(pattern: str) -> str:
    """Return the part of a pattern before its first wildcard."""
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    text = "".join(".*" if sign == "*" else "[^*]" if sign == "?" else re.escape(sign) for sign in pattern)
    return re.compile(text, re.DOTALL)
