"""Patterns with ``*`` and ``?``, as IAM means them: a star crosses slashes and colons, a bracket is a letter."""

import re
from functools import cache


def fits(pattern: str, text: str) -> bool:
    """Return whether a pattern takes a text; of two patterns, whether the first takes all that the second does.

    The second use is sound: a star of the text can only be eaten by a star of the pattern.
    """
    return _compiled(pattern).fullmatch(text) is not None


def meet(one: str, other: str) -> bool:
    """Return whether some text is taken by both patterns."""
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


def literal(pattern: str) -> str:
    """Return what stands before the first wildcard."""
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    text = "".join(".*" if sign == "*" else "[^*]" if sign == "?" else re.escape(sign) for sign in pattern)
    return re.compile(text, re.DOTALL)
