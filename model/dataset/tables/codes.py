"""Numeric-looking codes: columns that are categories although their values are digits."""

import re
from collections.abc import Mapping

from model.dataset.tables.conventions import conventions, words_of

_LEADING = re.compile(r"0\d+(\.\d+)?")
_SHORT = re.compile(r"\d{1,3}(\.\d{1,2})?")
_SUPPLEMENTARY = re.compile(r"[VE]\d{2,3}(\.\d{1,2})?")
_THREE = re.compile(r"\d{3}(?:\.(\d{1,2}))?")
_NEARLY = 0.95
_SOME = 0.01
_ICD_RANGE = 3.0


def why_codes(name: str, counts: Mapping[str, int]) -> str | None:
    """Return why a column's values are codes; nothing where they may be numbers.

    Parameters
    ----------
    name : str
        The column.
    counts : mapping
        How often each text occurs that does not mean missing.
    """
    words = words_of(name)
    if words & conventions().code_names and not words & conventions().count_names:
        return "codes, because of the column's name"
    total = sum(counts.values())
    leading = [text for text in counts if _LEADING.fullmatch(text)]
    rows = sum(counts[text] for text in leading)
    lengths = {len(text.partition(".")[0]) for text in counts}
    if leading and (rows >= _SOME * total or (len(lengths) == 1 and max(lengths) > 2)):
        return f"codes, because {rows:,} values begin with a zero"
    return _icd(counts, total)


def _icd(counts: Mapping[str, int], total: int) -> str | None:
    """Return why values have the shape of ICD-9-CM: V and E codes, or three digits and closing zeros that vary."""
    supplementary = sum(times for text, times in counts.items() if _SUPPLEMENTARY.fullmatch(text))
    short = sum(times for text, times in counts.items() if _SHORT.fullmatch(text))
    if supplementary and short > supplementary and supplementary + short >= _NEARLY * total:
        return f"codes, because {supplementary:,} values are V or E codes of ICD-9"
    shapes = {text: hit for text in counts if (hit := _THREE.fullmatch(text))}
    if len(shapes) < len(counts) or not shapes:
        return None
    decimals = {len(hit[1] or "") for hit in shapes.values()}
    closing = sum(counts[text] for text, hit in shapes.items() if len(hit[1] or "") == 2 and hit[1].endswith("0"))
    wide = max(map(float, shapes)) >= _ICD_RANGE * min(map(float, shapes))
    if closing and len(decimals) > 1 and wide:
        return f"codes, because values have the shape of ICD-9 and {closing:,} end in a zero that a number has not"
    return None
