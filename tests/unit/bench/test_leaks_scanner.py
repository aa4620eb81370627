"""The search for identifiers finds them in every disguise in which an output may hold them."""

import base64
import gzip
import io
import os
import sqlite3
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.leaks.canaries import CANARIES
from bench.leaks.scanner import Scanner


def found_in(scanner: Scanner) -> set[str]:
    return {kind for kind, places in scanner.found.items() if places}


def _parquet(canary: bytes) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2], "b": ["x", canary.decode()]}), sink, compression="zstd")
    return sink.getvalue()


def _parquet_metadata(canary: bytes) -> bytes:
    sink = io.BytesIO()
    made = pa.table({"a": [1]}).replace_schema_metadata({b"note": canary})
    pq.write_table(made, sink, compression="zstd")
    return sink.getvalue()


def _zip(canary: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"." * 100 + gzip.compress(canary))
        archive.writestr("b.txt.gz", gzip.compress(b"." * 100 + canary))
    return sink.getvalue()


def _image(canary: bytes) -> bytes:
    body = b"Comment\0\0" + zlib.compress(canary)
    return b"\x89PNG\r\n\x1a\n" + len(body).to_bytes(4, "big") + b"zTXt" + body + b"\0\0\0\0"


def _database(canary: bytes) -> bytes:
    database = sqlite3.connect(":memory:")
    database.execute("create table t (x text)")
    database.execute("insert into t values (?)", ["." * 5000 + canary.decode() + "." * 5000])
    return database.serialize()


@pytest.mark.parametrize(
    "hide",
    [
        bytes.upper,
        bytes.lower,
        lambda canary: canary[::-1],
        lambda canary: b"x" + canary.hex().encode() + b"y",
        lambda canary: base64.b64encode(canary),
        lambda canary: base64.b64encode(b"1" + canary + b"22"),
        lambda canary: base64.urlsafe_b64encode(b"12" + canary + b"3"),
        lambda canary: canary.decode().encode("utf-16-le"),
        lambda canary: gzip.compress(b"...." + canary),
        lambda canary: zlib.compress(canary),
        lambda canary: base64.b64encode(gzip.compress(b"." + canary + os.urandom(60))),
        _parquet,
        _parquet_metadata,
        _zip,
        _image,
        _database,
    ],
)
@pytest.mark.parametrize("kind", CANARIES)
def test_the_scanner_finds_what_is_hidden(kind: str, hide: Callable[[bytes], bytes]) -> None:
    scanner = Scanner(CANARIES)
    scanner.scan("clean", hide(b"nothing of the kind is here"))
    assert found_in(scanner) == set()
    scanner.scan("hidden", hide(CANARIES[kind].encode()))
    assert kind in found_in(scanner)


def test_the_scanner_sees_names_of_files(tmp_path: Path) -> None:
    (tmp_path / "Quackenbush-Oyelaran").mkdir()
    scanner = Scanner(CANARIES)
    scanner.scan_folder(tmp_path)
    assert found_in(scanner) == {"A name"}
