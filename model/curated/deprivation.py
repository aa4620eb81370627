"""Deprivation index by three-digit ZIP, as quantiles from least to most deprived."""

import csv
import hashlib
import io
import math
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from model.deid.groups import groups
from model.errors import UserError
from model.io import storage

HEADER = ["zip3", "index"]
_ZIP3 = re.compile(r"\d{3}", re.ASCII)


@dataclass(frozen=True)
class Areas:
    """Quantile of each three-digit ZIP area; the last is the most deprived."""

    part_of: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""


def read(place: str) -> Areas:
    """Read a CSV file with the columns ``zip3`` and ``index``, where a larger index means more deprived.

    Raises
    ------
    UserError
        When the file is not such a table; it names the line.
    """
    content = storage.read(place)
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        raise UserError(f"The deprivation table {place} is not a CSV file in UTF-8; save it as one.") from None
    if not lines or [name.strip().lower() for name in lines[0]] != HEADER:
        raise UserError(f"The deprivation table {place} must begin with the header {','.join(HEADER)}; add it.")
    index: dict[str, float] = {}
    for number, line in enumerate(lines[1:], 2):
        if line:
            zip3, value = _row(place, number, line)
            if zip3 in index:
                raise UserError(f"The deprivation table {place} repeats the area of line {number} twice; keep one row.")
            index[zip3] = value
    parts = groups().table.deprivation.parts
    if len(index) < parts:
        raise UserError(
            f"The deprivation table {place} has {len(index)} areas, too few for {parts} parts; "
            "give all areas of the state or country."
        )
    order = sorted(index.values())
    part_of = {zip3: str(1 + parts * bisect_left(order, value) // len(order)) for zip3, value in index.items()}
    return Areas(part_of, hashlib.sha256(content).hexdigest())


def _row(place: str, number: int, line: list[str]) -> tuple[str, float]:
    if len(line) != len(HEADER):
        raise UserError(f"Line {number} of the deprivation table {place} must have two columns; correct it.")
    zip3, text = (cell.strip() for cell in line)
    if not _ZIP3.fullmatch(zip3):
        raise UserError(
            f"Line {number} of the deprivation table {place} has no three-digit ZIP; write three digits, leading zeros "
            "included."
        )
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"Line {number} of the deprivation table {place} has a non-numeric index; correct it.")
    return zip3, value
