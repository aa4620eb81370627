"""File format of a table: encoding, separator, header, and which lines are rows."""

import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from model.dataset.columns import composed
from model.dataset.tables.conventions import conventions
from model.errors import UserError
from model.io import storage

SEPARATORS = ("\t", ";", "|", ",")
_NAMES = {"\t": "tab", ";": "semicolon", "|": "vertical bar", ",": "comma"}
_SAMPLE = 50
_LAST = 5
_EVEN = 0.9
_DIGIT = re.compile(r"[<>≤≥]?=?\s*[-+\N{MINUS SIGN}]?[.,]?\d")
_FORMULA = re.compile(r'="(.*)"')

Line = list[str]


@dataclass(frozen=True)
class Table:
    """Parsed table; text where its file has no types.

    Parameters
    ----------
    frame : DataFrame
        The rows.
    remarks : tuple of str
        Decisions about the file's format, as text.

    Examples
    --------
    >>> import pandas as pd
    >>> from model.dataset.tables import Table
    >>> Table(pd.DataFrame({"mrn": ["17"]}), ("encoding UTF-16",)).remarks
    ('encoding UTF-16',)
    """

    frame: pd.DataFrame
    remarks: tuple[str, ...]


def read_table(place: str) -> Table:
    """Return a Parquet file with its types, or a CSV file (any usual separator and encoding; gzip or not) as text.

    Parameters
    ----------
    place : str
        File, or key in S3.

    Returns
    -------
    Table
        The rows, and decisions about the file's format.

    Raises
    ------
    UserError
        If it is neither Parquet nor CSV, or its lines are of different lengths.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from model.dataset.tables import read_table
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "table.csv")
    ...     _ = file.write_text("mrn;days" + chr(10) + "17;4" + chr(10), encoding="utf-8")
    ...     table = read_table(str(file))
    >>> table.frame.columns.tolist(), table.frame["days"].tolist()
    (['mrn', 'days'], ['4'])
    """
    content = storage.read(place)
    try:
        if content[:4] == b"PAR1":
            frame = pq.read_table(io.BytesIO(content)).to_pandas()
            return Table(frame.set_axis([composed(str(name)) for name in frame.columns], axis=1), ())
        raw = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        if raw[:2] == b"PK":
            raise UserError(f"{place} is an Excel workbook or a ZIP archive; save its sheet as CSV UTF-8 or Parquet.")
        text, encoding = _decoded(raw)
        return _table(text, encoding, place)
    except (pa.ArrowException, OSError, EOFError, ValueError, csv.Error) as fault:
        raise UserError(
            f"{place} cannot be read as Parquet or CSV ({type(fault).__name__}); save it again with one header line."
        ) from None


def _decoded(content: bytes) -> tuple[str, str]:
    """Return the text, and its encoding where it is not UTF-8."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16"), "UTF-16"
    zeros = content[:1000].count(0)
    if zeros > len(content[:1000]) / 3:
        name = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
        return content.decode(name), "UTF-16"
    try:
        return content.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        return content.decode("latin-1"), "ISO 8859-1"


def _table(text: str, encoding: str, place: str) -> Table:
    remarks = [f"text in {encoding}"] if encoding else []
    named = re.match(r"sep=(.)\r?\n", text)
    text = text[named.end() :] if named else text
    separator = named[1] if named else _separator(text)
    if separator != ",":
        remarks.append(f"separated by {_NAMES.get(separator, separator)}")
    lines = [_cells(line) for line in csv.reader(io.StringIO(text, newline=""), delimiter=separator)]
    lines = [line for line in lines if any(line)]
    lines, decisions = _without_title(lines)
    if not lines:
        raise ValueError("no line")
    header, lines, more = _header(lines[0], lines[1:])
    rows, last = _rows(header, lines, place)
    return Table(pd.DataFrame(rows, columns=header, dtype=object), (*remarks, *decisions, *more, *last))


def _separator(text: str) -> str:
    """Return the separator by which the first lines have as many fields as the header."""
    sample = "".join(io.StringIO(text, newline="").readlines()[:_SAMPLE])
    best = {}
    for separator in SEPARATORS:
        lengths = [len(line) for line in csv.reader(io.StringIO(sample, newline=""), delimiter=separator) if line]
        usual, times = Counter(lengths).most_common(1)[0] if lengths else (0, 0)
        if usual > 1:
            best[separator] = (lengths[0] == usual and times >= _EVEN * len(lengths), usual * times)
    even = [separator for separator, (fits, _) in best.items() if fits]
    # Of several that fit, the comma comes last: it is also a decimal mark, and stands in text.
    return even[0] if even else max(best, key=lambda separator: best[separator][1], default=",")


def _cells(line: Line) -> Line:
    """Return trimmed cells; ``="012"``, with which Excel is kept from taking a text for a number, is its text."""
    cells = [composed(cell) for cell in line]
    return [hit[1] if (hit := _FORMULA.fullmatch(cell)) else cell for cell in cells]


def _without_title(lines: list[Line]) -> tuple[list[Line], list[str]]:
    """Leave out lines above the header: those of one cell in a table of several columns."""
    filled = [sum(map(bool, line)) for line in lines[:_SAMPLE]]
    usual = Counter(filled).most_common(1)[0][0] if filled else 0
    above = 0
    while usual > 1 and above < len(filled) - 1 and filled[above] == 1:
        above += 1
    return lines[above:], [f"{_counted(above, 'line')} above the header left out"] if above else []


def _header(first: Line, lines: list[Line]) -> tuple[Line, list[Line], list[str]]:
    """Return names that are all different, the lines below, and what was done; a repeated header is no row."""
    remarks = []
    first = [" ".join(name.split()) for name in first]
    while len(first) > 1 and not first[-1] and not any(any(line[len(first) - 1 :]) for line in lines):
        first = first[:-1]
    below = [line for line in lines if [" ".join(cell.split()) for cell in line[: len(first)]] != first]
    if len(below) < len(lines):
        remarks.append(f"the header, repeated {_counted(len(lines) - len(below), 'time')}, left out")
    if _is_second_header(below):
        below = below[1:]
        remarks.append("a second line of the header (units or descriptions) left out")
    blank = sum(not name for name in first)
    if blank:
        remarks.append(f"{_counted(blank, 'column')} without a name called Unnamed: with its place")
    names = [name or f"Unnamed: {place}" for place, name in enumerate(first)]
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        remarks.append(f"{', '.join(twice)} is the name of several columns, of which later ones are called .1, .2")
    return _distinct(names), below, remarks


def _is_second_header(lines: list[Line]) -> bool:
    """Whether the first line holds words that its columns never hold again, and half of these are numbers or dates."""
    words = {place: cell for place, cell in enumerate(lines[0]) if cell} if len(lines) > _LAST else {}
    if not words or any(_DIGIT.match(cell) for cell in words.values()):
        return False
    below = [[line[place] for line in lines[1:] if len(line) > place and line[place]] for place in words]
    again = any(cell in cells for cell, cells in zip(words.values(), below, strict=True))
    counted = [cells for cells in below if cells and sum(bool(_DIGIT.match(c)) for c in cells) > _EVEN * len(cells)]
    return not again and len(counted) * 2 >= len(words)


def _distinct(names: Sequence[str]) -> list[str]:
    distinct: list[str] = []
    for name in names:
        number, chosen = 0, name
        while chosen in distinct:
            number += 1
            chosen = f"{name}.{number}"
        distinct.append(chosen)
    return distinct


def _rows(header: Line, lines: list[Line], place: str) -> tuple[list[Line], list[str]]:
    """Return rows as long as the header; totals and notes below them are left out, and longer ones refused."""
    kept, footers = list(lines), 0
    while len(kept) > 1 and footers < _LAST and len(header) > 2 and _is_footer(kept[-1], len(header)):
        kept.pop()
        footers += 1
    longer = [line for line in kept if any(line[len(header) :])]
    if longer:
        raise UserError(
            f"{place} has {_counted(len(longer), 'row')} with more fields than its header has names "
            f"({len(header)}); put text that holds the separator in double quotes."
        )
    shorter = sum(len(line) < len(header) for line in kept)
    remarks = [f"{_counted(footers, 'line')} below the rows (totals, notes) left out"] if footers else []
    remarks += [f"{_counted(shorter, 'row')} shorter than the header: what they lack is missing"] if shorter else []
    blank = [""] * len(header)
    return [(line + blank)[: len(header)] for line in kept], remarks


def _is_footer(line: Line, width: int) -> bool:
    """Whether a last line is a total or a note: mostly empty, and it begins as such lines do or has one cell."""
    filled = [cell for cell in line if cell]
    if len(filled) == 1:
        return True
    start = re.sub(r"[\W_]+", " ", filled[0].lower()).strip() if filled else ""
    named = any(start == word or start.startswith(f"{word} ") for word in conventions().footers)
    return named and len(filled) <= max(width // 2, width - 2)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
