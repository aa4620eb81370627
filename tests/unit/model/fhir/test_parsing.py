"""Malformed input is told of and set aside: it neither stops the rest nor is read as something else."""

import functools
import gzip
import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from model.errors import UserError
from model.fhir import discovery, parsing, sources, streams
from model.fhir.bundles import NESTED_BUNDLES, Item
from model.fhir.parsing import Document, UnreadableError, strict
from model.fhir.sources import Piece
from model.io.stored import Stored

PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "male"}
LINE = json.dumps(PATIENT).encode() + b"\n"


def read(path: Path, content: bytes) -> list[Piece]:
    path.write_bytes(content)
    return list(sources.read(Stored(str(path), "", len(content))))


def items(pieces: list[Piece]) -> list[Item]:
    return [item for piece in pieces for item in piece.items]


def bundle_text(entries: list[Any], **members: Any) -> bytes:
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries} | members).encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"a": NaN}', parsing.NOT_JSON),
        (b'{"a": -Infinity}', parsing.NOT_JSON),
        (b'{"a": 1e400}', parsing.NOT_JSON),
        (b'{"a": 1,}', parsing.NOT_JSON),
        (b'{"a": "\\ud800"}', parsing.NOT_JSON),
        (b'{"a": 1} {}', parsing.NOT_JSON),
        (b"", parsing.NOT_JSON),
        (b"\x00\x00", parsing.NOT_JSON),
        ('{"a": "é"}'.encode("latin-1"), parsing.NOT_UTF8),
        ('{"a": "é"}'.encode("utf-16"), parsing.NOT_UTF8),
        (b"[" * 5000, parsing.TOO_DEEP),
        (b'{"a":' * 600 + b"1" + b"}" * 600, parsing.TOO_DEEP),
        (b'{"id": "p1", "x": {"id": 1}, "id": "p2"}', parsing.REPEATED),
        (b'{"x": {"a": 1, "b": 2, "a" : 1}}', parsing.REPEATED),
        (b'{"x": "\\u003a", "a": {"b": ":", "b": 2}}', parsing.REPEATED),
    ],
)
def test_json_that_two_parsers_may_read_differently_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        strict(content)


def test_json_that_looks_strange_but_is_sound_is_read() -> None:
    assert strict(b'{"a" : ":\\u003a", "b":{"a":1}, "c":[{"a":2}]}') == {"a": "::", "b": {"a": 1}, "c": [{"a": 2}]}
    assert strict(b'{"n": 123456789012345678901234567890}') == {"n": 1.2345678901234568e29}


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.json", "a.json.gz", "a.gz"])
def test_lines_are_read_whatever_the_file_is_called(tmp_path: Path, name: str) -> None:
    content = b"\xef\xbb\xbf" + LINE + b"\r\n" + b"{\n" + LINE.strip()
    found = items(read(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content))
    assert [item.resource for item in found] == [PATIENT, None, PATIENT]
    assert found[1].fault == parsing.NOT_JSON


def test_a_cut_file_gives_what_came_whole_and_says_that_the_rest_is_missing(tmp_path: Path) -> None:
    content = b"".join(LINE.replace(b"p1", os.urandom(20).hex().encode()) for _ in range(20_000))
    pieces = read(tmp_path / "a.ndjson.gz", gzip.compress(content)[:-100_000])
    assert 100 < len(items(pieces)) < 20_000
    assert pieces[-1].broken == streams.BROKEN_GZIP
    assert all(item.resource for item in items(pieces))


def test_a_long_line_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "LARGEST_RESOURCE", 100_000)
    found = items(read(tmp_path / "a.ndjson", LINE + b'{"a": "' + b"x" * 3_000_000 + b'"}\n' + LINE))
    assert [item.fault for item in found] == [None, parsing.TOO_LONG, None]


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FREE_EXPANSION", 1_000_000)
    pieces = read(tmp_path / "a.ndjson.gz", gzip.compress(b" " * 20_000_000))
    assert [piece.broken for piece in pieces] == [streams.BOMB]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (7, "not an object"),
        ({}, "no resource"),
        ({"resource": []}, "no resource"),
        ({"request": {"method": "DELETE", "url": 7}}, "deletes by something else"),
        ({"request": "DELETE"}, "no resource"),
    ],
)
def test_an_entry_that_is_none_is_told_of(tmp_path: Path, entry: Any, why: str) -> None:
    found = items(read(tmp_path / "a.json", bundle_text([{"resource": PATIENT}, entry, {"resource": PATIENT}])))
    assert [item.resource for item in found] == [PATIENT, None, PATIENT]
    assert why in str(found[1].fault)


def test_bundles_in_bundles_are_followed_and_bounded(tmp_path: Path) -> None:
    def nested(depth: int) -> dict[str, Any]:
        inner = nested(depth - 1) if depth else PATIENT
        return {"resourceType": "Bundle", "entry": [{"resource": inner}, {"resource": PATIENT}]}

    found = items(read(tmp_path / "a.json", json.dumps(nested(2)).encode()))
    assert [item.resource for item in found] == [PATIENT] * 4
    assert [item.index for item in found] == [0, 1, 2, 3]
    deep = items(read(tmp_path / "a.json", json.dumps(nested(NESTED_BUNDLES + 2)).encode()))
    assert [item.fault for item in deep if item.fault] == ["bundles are nested too deeply"]


@pytest.mark.parametrize("members", [{"entry": {}}, {"entry": None}, {"resourceType": ["Bundle"]}])
def test_a_bundle_of_another_form_is_no_crash(tmp_path: Path, members: dict[str, Any]) -> None:
    found = items(read(tmp_path / "a.json", bundle_text([], **members)))
    assert len(found) == 1


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read every document as a big one, a few characters at a time."""
    monkeypatch.setattr(sources, "WHOLE_BELOW", 1)
    monkeypatch.setattr(parsing, "WINDOW", 7)


def test_a_big_bundle_gives_what_a_small_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    urn = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    condition = {"resourceType": "Condition", "id": "c", "subject": {"reference": urn}, "note": [{"text": "ä\n€ 1.5"}]}
    entries: list[Any] = [{"resource": condition}, 7, {"fullUrl": urn, "resource": PATIENT}]
    entries.append({"resource": {"resourceType": "Bundle", "entry": [{"resource": PATIENT}]}})
    content = b"\xef\xbb\xbf \n" + bundle_text(entries, total=12345, link=[{"relation": "self"}]) + b"\n "
    small = read(tmp_path / "a.json", content)
    monkeypatch.setattr(sources, "WHOLE_BELOW", 1)
    monkeypatch.setattr(parsing, "WINDOW", 7)
    big = read(tmp_path / "a.json", content)
    assert items(small) == items(big)
    assert [piece.references.patient(condition) for piece in (*small, *big)] == ["p1", "p1"]
    single = read(tmp_path / "a.json", LINE)
    assert items(single)[0].resource == PATIENT


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize(
    ("content", "good", "why"),
    [
        (bundle_text([{"resource": PATIENT}] * 3)[:-60], 2, parsing.NOT_WHOLE),
        (bundle_text([{"resource": PATIENT}] * 3)[:-1], 3, parsing.CUT_SHORT),
        (bundle_text([{"resource": PATIENT}] * 3) + b"x", 3, parsing.NOT_JSON),
        (bundle_text([{"resource": PATIENT}]).replace(b"}}]", b"}}, ]"), 1, parsing.NOT_WHOLE),
        (bundle_text([{"resource": PATIENT}]).replace(b'"male"', b"NaN"), 0, parsing.NOT_WHOLE),
        (bundle_text([{"resource": PATIENT}]) + bundle_text([]), 1, parsing.NOT_JSON),
        (b'{"resourceType": "Bundle", "entry": [], "entry": []}', 0, parsing.REPEATED),
        (b'{"resourceType": "Bundle", "entry": [{"resource": "' + b"\xe9" * 50, 0, parsing.NOT_UTF8),
        (b"", 0, parsing.CUT_SHORT),
    ],
)
def test_a_big_bundle_that_breaks_off_is_told_of(tmp_path: Path, content: bytes, good: int, why: str) -> None:
    (tmp_path / "a.json").write_bytes(content or b" ")
    pieces = list(sources.read(Stored(str(tmp_path / "a.json"), "", len(content))))
    assert len([item for item in items(pieces) if item.resource]) == good
    assert pieces[-1].broken == why


def test_a_repeated_name_in_one_entry_sets_only_that_aside(tmp_path: Path, small_steps: None) -> None:
    twice = b'{"resourceType": "Patient", "id": "p1", "id": "p2"}'
    content = bundle_text([{"resource": PATIENT}, {"resource": 0}, {"resource": PATIENT}]).replace(b"0", twice, 1)
    assert [item.fault for item in items(read(tmp_path / "a.json", content))] == [None, parsing.REPEATED, None]


def test_an_entry_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "LARGEST_RESOURCE", 50_000)
    document = Document(BytesIO(b'{"entry": [{"a": "' + b"x" * 3_000_000), "entry")
    with pytest.raises(UnreadableError, match="longer than"):
        list(document.items())


def test_links_pipes_and_folders_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").write_bytes(LINE)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "in" / "pipe.json")
    (tmp_path / "in" / "round").symlink_to(tmp_path / "in")
    found = discovery.find(str(tmp_path / "in"))
    assert [Path(stored.place).name for stored in found.files] == ["a.json"]
    assert found.passed_over == {"link to a folder, pipe or device": 2}
    (tmp_path / "in" / "b.json").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="No such file"):
        discovery.find(str(tmp_path / "in"))
    monkeypatch.setattr(os, "walk", functools.partial(_denied, os.walk))
    with pytest.raises(UserError, match="Cannot read a folder of the source"):
        discovery.find(str(tmp_path / "in"))


def test_a_file_that_changes_meanwhile_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(LINE)
    (found,) = discovery.find(str(tmp_path)).files
    (tmp_path / "a.json").write_bytes(LINE + LINE)
    with pytest.raises(UserError, match="changed while it was read"):
        list(sources.read(found))


def _denied(_walk: Any, _root: Path, onerror: Any) -> list[Any]:
    onerror(PermissionError(13, "Permission denied"))
    return []
