"""A table's file: fifty random files whose cells are known before they are written."""

import csv
import gzip
import io
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from model.dataset.tables import Words, read_table, split_names
from model.errors import UserError

NAMES = ["mrn", "Âge, années", "Service", "Na+", "note; text"]


def cells(chance: np.random.Generator, rows: int) -> list[list[str]]:
    words = ["médecine", "chirurgie, cardiaque", 'dit "urgent"', "", "A;B", "tab\tinside", "two\nlines", "Übung|x"]
    return [
        [f"P{i:03d}", str(chance.integers(18, 99)), str(chance.choice(words)), f"{chance.normal(138, 4):.1f}", ""]
        for i in range(rows)
    ]


@pytest.mark.parametrize("seed", range(50))
def test_separators_encodings_titles_and_footers(tmp_path: Path, seed: int) -> None:
    chance = np.random.default_rng(seed)
    body = cells(chance, 30)
    separator = str(chance.choice([",", ";", "\t", "|"]))
    encoding = str(chance.choice(["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"]))
    decomposed = seed % 3 == 0 and encoding != "cp1252"
    lines = [NAMES, *body]
    if seed % 2:
        lines = [*lines[:12], NAMES, *lines[12:]]
    if seed % 5 == 0:
        lines = [[*line, "", ""] for line in lines]
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=str(chance.choice(["\n", "\r\n"]))).writerows(lines)
    above, below = (f"Discharges of the year\n{'' if seed % 8 else chr(10)}" if seed % 4 == 0 else ""), ""
    if seed % 6 == 0:
        below = f"{separator.join(['Total', '', '', '4000', ''])}\n(30 rows affected)\n"
    whole = above + text.getvalue() + below
    content = unicodedata.normalize("NFD" if decomposed else "NFC", whole).encode(encoding)
    (tmp_path / "t.csv").write_bytes(gzip.compress(content) if seed % 7 == 0 else content)
    read = read_table(str(tmp_path / "t.csv"))
    assert list(read.frame.columns) == NAMES
    assert read.frame.to_numpy().tolist() == body
    remarks = "; ".join(read.remarks)
    assert ("the header, repeated 1 time" in remarks) == bool(seed % 2)
    assert ("above the header left out" in remarks) == (seed % 4 == 0)
    assert ("2 lines below the rows" in remarks) == (seed % 6 == 0)
    assert ("Windows-1252" in remarks) == (encoding == "cp1252")


def read(tmp_path: Path, text: str) -> tuple[list[str], list[list[str]], str]:
    (tmp_path / "t.csv").write_text(text)
    table = read_table(str(tmp_path / "t.csv"))
    return list(table.frame.columns), table.frame.to_numpy().tolist(), "; ".join(table.remarks)


def test_headers_that_are_doubled_blank_or_of_two_lines(tmp_path: Path) -> None:
    names, rows, said = read(tmp_path, " a ,a,,b\n1,2,3,4\n5,6,7,8\n")
    assert (names, rows) == (["a", "a.1", "Unnamed: 2", "b"], [["1", "2", "3", "4"], ["5", "6", "7", "8"]])
    assert "a is the name of several columns" in said
    assert "1 column without a name" in said
    units = "mrn,age,crp\n,years,mg/L\n" + "".join(f"P{i},{i + 20},{i}.5\n" for i in range(9))
    names, rows, said = read(tmp_path, units)
    assert (len(rows), rows[0]) == (9, ["P0", "20", "0.5"])
    assert "second line of the header" in said


def test_what_a_spreadsheet_adds(tmp_path: Path) -> None:
    names, rows, _ = read(tmp_path, 'sep=;\nzip;age;;\n="02139";41;;\n="01230";42;;\n')
    assert (names, rows) == (["zip", "age"], [["02139", "41"], ["01230", "42"]])
    names, rows, said = read(tmp_path, "a;b;c\n1,5;2,5;x\n2,5;3\n3,5;4,5;y\n")
    assert rows[1] == ["2,5", "3", ""]
    assert "1 row shorter than the header" in said
    with pytest.raises(UserError, match=r"1 row with more fields than its header has names \(2\)"):
        read(tmp_path, "a,b\n1,2\n1,2,3\n3,4\n4,5\n5,6\n")
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04rest")
    with pytest.raises(UserError, match="Excel workbook"):
        read_table(str(tmp_path / "t.xlsx"))


@pytest.mark.parametrize("seed", range(50))
def test_names_with_commas_are_split_where_names_end(seed: int) -> None:
    chance = np.random.default_rng(seed)
    names = ["age", "Weight, kg", "Na, K, Cl", "Na", "dose, mg, daily", "Größe, cm"]
    chosen = [str(name) for name in chance.permutation(names)[: chance.integers(1, 6)]]
    if "Na" not in chosen:
        given = [unicodedata.normalize("NFD", ",".join(chosen))]
        assert split_names(given, names) == tuple(chosen)
    assert split_names(chosen, names) == tuple(chosen)
    assert split_names(["agee, x"], names) == ("agee", "x")
    assert Words("a", "b", without=("age,Weight, kg",)).of_table(names).without == ("age", "Weight, kg")
