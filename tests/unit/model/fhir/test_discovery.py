"""Which files of a source are read, and what is said of the others."""

import gzip
import json
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from model.errors import UserError
from model.fhir import discovery, sources
from model.fhir.extract import Extract
from model.io.stored import Stored

PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "male"}
LINE = json.dumps(PATIENT).encode()
BUNDLE: dict[str, Any] = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT}] * 2}
READ = ""


def put(root: Path, name: str, content: bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def count(path: Path) -> int:
    pieces = sources.read(Stored(str(path), "", path.stat().st_size))
    return sum(item.resource is not None for piece in pieces for item in piece.items)


CONTENTS: list[tuple[bytes, str]] = [
    (LINE, READ),
    (b"\xef\xbb\xbf \n" + LINE + b"\n" + LINE, READ),
    (json.dumps(BUNDLE, indent=2).encode(), READ),
    (gzip.compress(LINE + b"\n" + LINE), READ),
    (b"[" + LINE + b"]", READ),
    (b'<?xml version="1.0"?><Patient xmlns="http://hl7.org/fhir"/>', discovery.XML),
    (b"<html></html>", discovery.OTHER),
    (b"# Export of 2024\n", discovery.OTHER),
    (b'{"name": "package"}', discovery.OTHER),
    (gzip.compress(b"a,b\n1,2\n"), discovery.OTHER),
    (b"", discovery.EMPTY),
    (b" \n", discovery.EMPTY),
    (b"PK\x03\x04" + bytes(30), discovery.ARCHIVE),
    (bytes(range(256)), discovery.OTHER),
]


def test_fifty_files_are_read_or_counted_by_what_they_hold(tmp_path: Path) -> None:
    draw = random.Random(2)
    expected: Counter[str] = Counter()
    for number in range(50):
        content, reason = draw.choice(CONTENTS)
        folder = draw.choice(["", "export.ndjson/", "a.json/b.csv/", "Ordner ä/"])
        name = draw.choice([f"{number}", f"{number}.fhir", f"{number}.TXT", f"{number}.2024-01-01", f"{number}.bak"])
        if draw.random() < 0.2:
            folder, reason = draw.choice([f"{folder}.hidden/", folder]), discovery.HIDDEN
            name = name if ".hidden" in folder else f".{name}"
        put(tmp_path, folder + name, content)
        expected[reason] += 1
    found = discovery.find(str(tmp_path))
    assert len(found.files) == expected.pop(READ)
    assert found.passed_over == expected
    assert len(expected) == 5


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.csv", discovery.TABLE), ("A.CSV", discovery.TABLE), ("a.csv.gz", discovery.TABLE),
        ("a.zip", discovery.ARCHIVE), ("a.tar.gz", discovery.ARCHIVE), ("a.JSON", READ), ("a.Json.GZ", READ),
        ("a.jsonl", READ), ("a.JSONL.gz", READ),
        ("a.NDJSON", READ), ("landing.state", READ),
    ],
)  # fmt: skip
def test_a_known_suffix_decides_in_any_case(tmp_path: Path, name: str, reason: str) -> None:
    put(tmp_path, "first.json", LINE)
    put(tmp_path, name, b'{"runs": []}')
    found = discovery.find(str(tmp_path))
    assert found.passed_over == ({reason: 1} if reason else {})
    assert len(found.files) == 1 + (reason == READ and name != "landing.state")


@pytest.mark.parametrize("name", ["e.ndjson/b.json", "e.jsonl/b", "b.ndjson", "b.jsonl", "b.json", "b", "b.ndjson.gz"])
@pytest.mark.parametrize("indent", [None, 2])
def test_the_content_decides_how_a_file_is_read(tmp_path: Path, name: str, indent: int | None) -> None:
    document, several = json.dumps(BUNDLE, indent=indent).encode(), b"\n".join([LINE] * 3) + b"\n"
    pack = gzip.compress if name.endswith(".gz") else bytes
    assert count(put(tmp_path, name, pack(document))) == 2
    assert count(put(tmp_path, name, pack(several))) == 3


def test_lines_longer_than_a_whole_document_are_read_without_a_suffix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "WHOLE_BELOW", 200)
    assert count(put(tmp_path, "Patient", b"\n".join([LINE] * 50))) == 50
    assert count(put(tmp_path, "Bundle", json.dumps(BUNDLE | {"entry": [{"resource": PATIENT}] * 50}).encode())) == 50


def test_what_is_no_file_is_counted_and_an_empty_source_says_what_it_saw(tmp_path: Path) -> None:
    put(tmp_path, "in/notes.txt", b"hello")
    put(tmp_path, "other/a.json", LINE)
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "other")
    os.mkfifo(tmp_path / "in" / "pipe")
    with pytest.raises(UserError, match=r"1 not FHIR JSON.*check the path"):
        discovery.find(str(tmp_path / "in"))
    put(tmp_path, "in/a.json", LINE)
    assert discovery.find(str(tmp_path / "in")).passed_over == {discovery.IRREGULAR: 2, discovery.OTHER: 1}


def test_a_named_file_is_read_even_if_its_folder_is_hidden(tmp_path: Path) -> None:
    path = put(tmp_path, ".cache/a.json", LINE)
    assert [stored.place for stored in discovery.find(str(path)).files] == [str(path)]


def page(itself: str | None, following: str | None, *entries: Any) -> dict[str, Any]:
    links = [{"relation": "self", "url": itself}] if itself else []
    links += [{"relation": "next", "url": following}] if following else []
    return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": list(entries)}


def extract(*files: Path) -> Extract:
    found = Extract()
    for path in files:
        for piece in sources.read(Stored(str(path), "", path.stat().st_size)):
            found.pages(piece.pages)
    return found


@pytest.mark.parametrize("whole_below", [1, 10**6])
def test_fifty_searches_of_which_some_end_early(
    tmp_path: Path, whole_below: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "WHOLE_BELOW", whole_below)
    draw = random.Random(4)
    files, missing = [], 0
    for number in range(50):
        length = draw.randint(1, 4)
        urls = [f"https://h.example/r4?page={number}-{at}" for at in range(length)]
        pages = [page(url, following) for url, following in zip(urls, [*urls[1:], None], strict=True)]
        if length > 1 and draw.random() < 0.5:
            del pages[draw.randrange(1, length)]
            missing += 1
        style = draw.choice(["files", "lines", "nested"])
        if style == "nested":
            batch = {"resourceType": "Bundle", "type": "batch-response", "entry": [{"resource": one} for one in pages]}
            files.append(put(tmp_path, f"{number}.json", json.dumps(batch).encode()))
        elif style == "lines":
            content = "\n".join(json.dumps(one) for one in pages)
            files.append(put(tmp_path, f"{number}.ndjson", content.encode()))
        else:
            files += [put(tmp_path, f"{number}-{at}.json", json.dumps(one).encode()) for at, one in enumerate(pages)]
    draw.shuffle(files)
    assert extract(*files).incomplete == missing > 0


def test_a_proxy_may_name_the_server_otherwise_and_odd_links_are_no_pages(tmp_path: Path) -> None:
    first = put(tmp_path, "1.json", json.dumps(page("http://a/fhir?p=1", "http://a/fhir?p=2")).encode())
    second = put(tmp_path, "2.json", json.dumps(page("https://b:8443/r4/fhir/?p=2", None)).encode())
    odd = BUNDLE | {"link": [7, {"relation": "next"}, {"relation": "next", "url": 3}]}
    assert extract(first, second, put(tmp_path, "3.json", json.dumps(odd).encode())).incomplete == 0
    assert extract(first).incomplete == 1


@pytest.mark.parametrize(
    ("issues", "severity"),
    [
        ([{"severity": "warning"}, {"severity": "error"}], "error"), ([{"severity": "information"}], "information"),
        ([{"severity": "Quackenbush"}], "unknown"), (None, "unknown"), ([7], "unknown"),
        ([{"severity": []}], "unknown"),
    ],
)  # fmt: skip
def test_an_outcome_counts_by_its_gravest_severity(issues: Any, severity: str) -> None:
    found = Extract()
    found.outcome({"resourceType": "OperationOutcome", "issue": issues})
    found.outcome(None)
    assert found.outcomes == {severity: 1}
