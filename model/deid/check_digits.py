"""Check digits of SNOMED CT and LOINC codes."""

_MULTIPLY = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_FIRST_PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _permutations() -> tuple[tuple[int, ...], ...]:
    rows = [tuple(range(10))]
    for _ in range(7):
        rows.append(tuple(rows[-1][digit] for digit in _FIRST_PERMUTATION))
    return tuple(rows)


_PERMUTE = _permutations()


def verhoeff(code: str) -> bool:
    """Return whether a SNOMED CT identifier ends in its Verhoeff check digit."""
    state = 0
    for place, digit in enumerate(reversed(code)):
        state = _MULTIPLY[state][_PERMUTE[place % 8][int(digit)]]
    return state == 0


def mod10(code: str) -> bool:
    """Return whether a LOINC code ends in its modulus-10 check digit."""
    body, _, check = code.partition("-")
    odd = int("".join(reversed(body))[::2][::-1]) * 2
    even = "".join(reversed(body))[1::2][::-1]
    total = sum(int(digit) for digit in f"{even}{odd}")
    return (10 - total % 10) % 10 == int(check)


CHECKS = {"verhoeff": verhoeff, "mod10": mod10}
