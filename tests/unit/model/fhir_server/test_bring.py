"""From the command line's words to curated tables: places kept apart, S3, and streams cut anywhere."""

import gzip
import io
import json
import zlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import UserError
from model.fhir.discovery import LANDING_STATE as STATE
from model.fhir_server import Landed, bring, land
from model.fhir_server.credentials import Credentials
from model.fhir_server.download import Lines, unzipped
from model.io import storage
from tests.support.model.fhir_server import FhirServer
from tests.support.model.fhir_server_resources import TYPES, landed, resource
from tests.support.model.model_command import call

pytestmark = pytest.mark.process


@pytest.fixture
def server(running: FhirServer) -> FhirServer:
    running.reset()
    running.needs_token = False
    running.polls = []
    running.fill(4)
    return running


def test_the_command_reads_a_server(
    server: FhirServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, ca = str(tmp_path / "curated"), str(server.folder / "ca.crt")
    words = ("--hospital", "north", "--out", out, "--key-file", str(tmp_path / "key"), "--ca", ca, "--json")
    assert call(monkeypatch, "ingest", server.base, *words) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["changed"], first["counts"]["accepted"], first["landed"]["run"]) == (True, 20, 1)
    assert all(count == 4 for count in first["rows"].values())
    # Nothing new at the server: nothing changes here.
    server.resources = {kind: [] for kind in TYPES}
    assert call(monkeypatch, "ingest", server.base, *words) == 0
    second = json.loads(capsys.readouterr().out)
    assert (second["changed"], second["run"], second["landed"]["run"]) == (False, first["run"], 2)


def table(out: Path, name: str) -> list[dict[str, Any]]:
    [file] = (out / "hospital=north" / name).glob("*.parquet")
    rows: list[dict[str, Any]] = pq.read_table(file, partitioning=None).to_pylist()
    return rows


def test_the_tables_are_the_same_by_every_way(
    server: FhirServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    for kind in TYPES:
        (folder / f"{kind}.ndjson").write_text("".join(json.dumps(found) + "\n" for found in server.resources[kind]))
    ways = {"files": (str(folder),), "export": (server.base,), "search": (server.base, "--mode", "search")}
    found = {}
    for way, words in ways.items():
        out = tmp_path / way / "curated"
        shared = ("--hospital", "north", "--out", str(out), "--key-file", str(tmp_path / "key"))
        assert call(monkeypatch, "ingest", *words, *shared, "--ca", str(server.folder / "ca.crt")) == 0
        lineage = {"source", "source_sha256", "ingest_run"}
        found[way] = {
            name: sorted(
                str({key: value for key, value in row.items() if key not in lineage}) for row in table(out, name)
            )
            for name in ("patient", "encounter", "condition", "observation", "medication_request")
        }
    assert found["files"] == found["export"] == found["search"]
    assert {name: len(rows) for name, rows in found["files"].items()} == dict.fromkeys(found["files"], 4)


@pytest.mark.parametrize("mode", ["export", "search"])
def test_what_a_server_corrects_and_deletes_is_corrected_and_removed_here(
    server: FhirServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    out = tmp_path / "curated"
    shared = ("--hospital", "north", "--out", str(out), "--key-file", str(tmp_path / "key"))
    words = (*shared, "--ca", str(server.folder / "ca.crt"), "--mode", mode)
    assert call(monkeypatch, "ingest", server.base, *words) == 0
    assert sorted(row["value"] for row in table(out, "observation")) == [1.1, 2.1, 3.1, 4.1]
    corrected = resource("Observation", 1, version=2, updated="2025-02-01T00:00:00Z")
    corrected["valueQuantity"]["value"] = 9.5
    server.resources["Observation"][1] = corrected
    gone = server.resources["Condition"].pop(2)
    entry = {"request": {"method": "DELETE", "url": f"Condition/{gone['id']}"}}
    server.deleted = [{"resourceType": "Bundle", "type": "transaction", "entry": [entry]}]
    server.transaction_time = "2025-02-02T00:00:00Z"
    assert call(monkeypatch, "ingest", server.base, *words) == 0
    assert sorted(row["value"] for row in table(out, "observation")) == [1.1, 3.1, 4.1, 9.5]
    # A search cannot show what is gone; asking for everything does.
    assert len(table(out, "condition")) == (3 if mode == "export" else 4)
    assert call(monkeypatch, "ingest", server.base, *words, "--full-days", "0") == 0
    assert len(table(out, "condition")) == 3
    assert sorted(row["value"] for row in table(out, "observation")) == [1.1, 3.1, 4.1, 9.5]


def test_the_command_says_in_one_sentence_what_is_wrong(
    server: FhirServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--hospital", "north", "--out", str(tmp_path / "curated"), "--key-file", str(tmp_path / "key"))
    assert call(monkeypatch, "ingest", server.base, *words) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(said) == 1
    assert "give its authority with --ca" in said[0]


def brought(server: FhirServer, **options: Any) -> Landed:
    return bring(server.base, hospital="north", ca=server.folder / "ca.crt", **options)


def test_records_land_beside_the_tables_in_a_folder_of_the_hospital(server: FhirServer, tmp_path: Path) -> None:
    done = brought(server, out=str(tmp_path / "curated"))
    assert done.place == str(tmp_path / "landing" / "north")
    assert sum(landed(tmp_path / "landing" / "north").values()) == 20
    assert (tmp_path / "landing" / "north").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("out", "landing", "said"),
    [
        ("x/curated", "x/curated", "give separate folders"),
        ("x/curated", "x/curated/landing", "give separate folders"),
        ("x/curated", "x", "give separate folders"),
        ("s3://b/tables", "s3://b/tables/raw", "give separate folders"),
        ("s3://b/tables", None, "Give --landing with an s3:// --out"),
    ],
)
def test_raw_records_never_lie_among_pseudonymised_ones(
    server: FhirServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, landing: str | None, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        brought(server, out=out, landing=landing)
    assert server.seen == []


def test_neighbours_in_a_bucket_are_apart() -> None:
    with pytest.raises(UserError, match=r"named by its https:// base alone"):
        bring("http://x", hospital="north", out="s3://b/tables", landing="s3://b/tables-raw")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mode": "guess"}, "--mode must be one of auto, export, search"),
        ({"group": "a/b?patient=7"}, "--group must be the id of a Group"),
        ({"full_days": -1}, "--full-days must not be negative"),
        ({"auth": "telepathy"}, "see auth"),
    ],
)
def test_wrong_options_are_one_sentence(server: FhirServer, tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        brought(server, out=str(tmp_path / "curated"), **options)
    assert server.seen == []


@pytest.fixture
def bucket(store: Any) -> str:
    store.create_bucket(Bucket="raw")
    return "s3://raw/landing"


def test_records_land_in_an_object_store(server: FhirServer, bucket: str) -> None:
    shown = Credentials(ca=server.ca)
    clock = server.time.clock()
    assert land(server.base, bucket, credentials=shown, clock=clock).files == 10
    server.time.seconds += 30 * 86400
    done = land(server.base, bucket, credentials=shown, clock=clock)
    names = [stored.place.removeprefix(f"{bucket}/") for stored in storage.listing(bucket)]
    assert STATE in names
    assert {name.partition("/")[0] for name in names} == {"0002", STATE}
    assert done.resources == dict.fromkeys(TYPES, 4)
    content = gzip.decompress(storage.read(storage.join(bucket, "0002", "Patient.00001.ndjson.gz")))
    assert [json.loads(line)["id"] for line in content.splitlines()] == ["patient-0", "patient-1", "patient-2"]


@given(st.lists(st.binary(max_size=40)), st.integers(0, 2), st.lists(st.integers(1, 30), max_size=20))
def test_a_stream_reads_the_same_however_it_is_cut(parts: list[bytes], zips: int, cuts: list[int]) -> None:
    # What starts like gzip is taken for it, so plain content must not.
    content = b"{" + b"".join(parts)
    sent = content
    for _ in range(zips):
        half = len(sent) // 2
        sent = gzip.compress(sent[:half]) + gzip.compress(sent[half:])
    stream = io.BytesIO(sent)
    chunks = [chunk for chunk in (stream.read(size) for size in cuts) if chunk] + [stream.read()]
    assert b"".join(unzipped(unzipped(chunks))) == content


@given(
    st.lists(st.sampled_from([b"{}\n", b"{}", b"\n", b" \r\n", b'{"a": "b', b'"}\n']), max_size=12), st.integers(1, 9)
)
def test_lines_are_counted_the_same_however_they_are_cut(parts: list[bytes], size: int) -> None:
    content = b"".join(parts)
    lines = Lines()
    seen = b"".join(lines.seen(content[at : at + size] for at in range(0, len(content), size)))
    held = [line.strip() for line in content.split(b"\n") if line.strip()]
    assert (seen, lines.count) == (content, len(held))
    assert lines.whole == (not held or held[-1].endswith(b"}"))


@pytest.mark.parametrize("size", [3, 12, 30])
def test_a_gzip_stream_that_is_cut_short_is_noticed(size: int) -> None:
    with pytest.raises((EOFError, zlib.error)):
        b"".join(unzipped([gzip.compress(b'{"resourceType": "Patient"}')[:size]]))
