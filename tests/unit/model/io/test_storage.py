"""Local folders and S3 in the same words, and one sentence when either is out of reach."""

import functools
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from model.curated.run import ingest
from model.errors import UserError
from model.features.build import build
from model.io import s3, storage
from tests.support.model.model_world import RING, bundle, write_bundle

pytestmark = pytest.mark.process


@pytest.fixture
def bucket(store: Any) -> str:
    store.create_bucket(Bucket="raw")
    store.create_bucket(Bucket="curated")
    return "s3://raw"


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_both_kinds_keep_the_same_promises(kind: str, bucket: str, tmp_path: Path) -> None:
    root = bucket if kind == "s3" else str(tmp_path)
    assert storage.listing(storage.join(root, "a")) == []
    assert storage.folders(storage.join(root, "a")) == []
    assert storage.read_if_any(storage.join(root, "a", "x.json")) is None
    with pytest.raises(UserError, match="no file at"):
        storage.read(storage.join(root, "a", "x.json"))
    for name in ("a/y.json", "a/x.json", "a/b/z.json", "ab/other.json"):
        storage.write(storage.join(root, name), name.encode())
    assert [s.place for s in storage.listing(storage.join(root, "a"))] == [
        storage.join(root, name) for name in ("a/b/z.json", "a/x.json", "a/y.json")
    ]
    assert storage.folders(storage.join(root, "a")) == ["b"]
    assert storage.folders(storage.join(root, "a") + "/") == ["b"]
    before = storage.listing(storage.join(root, "a/x.json"))
    storage.write(storage.join(root, "a/x.json"), b"new")
    after = storage.listing(storage.join(root, "a/x.json"))
    assert before[0].mark != after[0].mark
    assert storage.read(storage.join(root, "a/x.json")) == b"new"
    storage.remove(storage.join(root, "a/x.json"))
    storage.remove(storage.join(root, "a/x.json"))
    assert storage.read_if_any(storage.join(root, "a/x.json")) is None
    assert storage.parent(storage.join(root, "a/x.json")) == storage.join(root, "a")


def test_a_write_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write(str(tmp_path / "x"), b"old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="No space left"):
        storage.write(str(tmp_path / "x"), b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_bucket_that_is_not_there_is_one_sentence(bucket: str) -> None:
    with pytest.raises(UserError, match="NoSuchBucket for bucket none"):
        storage.listing("s3://none/x/")
    with pytest.raises(UserError, match="has no bucket"):
        storage.read("s3://")


def test_an_object_store_out_of_reach_is_one_sentence(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3.client.cache_clear()
    with pytest.raises(UserError, match="Cannot reach bucket raw"):
        storage.read("s3://raw/x")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lineage.json", "application/json"),
        ("MODEL_CARD.md", "text/markdown"),
        ("report.html", "text/html"),
        ("pipeline.joblib", "application/octet-stream"),
    ],
)
def test_an_object_store_knows_what_is_text(bucket: str, name: str, kind: str) -> None:
    storage.write(f"s3://raw/{name}", b"{}")
    assert s3.client().head_object(Bucket="raw", Key=name)["ContentType"] == kind


def test_ingest_and_features_work_on_s3_as_on_disk(bucket: str, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "in" / "a.json", bundle())
    storage.write("s3://raw/landing/a.json", path.read_bytes())
    storage.write("s3://raw/landing/broken.json", b"{")
    ingested = functools.partial(ingest, hospital="north", ring=RING, max_bad_share=0.5)
    done = ingested("s3://raw/landing/", out="s3://curated/tables/")
    assert done.quarantine is not None
    assert done.quarantine.startswith("s3://raw/quarantine/hospital=north/")
    assert not ingested("s3://raw/landing/", out="s3://curated/tables/").changed
    ingested(str(tmp_path / "in"), out=str(tmp_path / "out"))
    far = build("s3://curated/tables/", out="s3://curated/features/features.parquet")
    near = build(str(tmp_path / "out"), out=str(tmp_path / "features.parquet"))
    assert (far.discharges, far.labelled) == (near.discharges, near.labelled)
    assert far.discharges > 0


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_what_is_written_once_is_never_replaced(kind: str, bucket: str, tmp_path: Path) -> None:
    place = storage.join(bucket if kind == "s3" else str(tmp_path), "a", "x.json")
    storage.create(place, b"first")
    storage.create(place, b"first")
    with pytest.raises(UserError, match="written once; nothing was replaced"):
        storage.create(place, b"other")
    assert storage.read(place) == b"first"


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_a_file_s_mark_changes_with_it(kind: str, bucket: str, tmp_path: Path) -> None:
    place = storage.join(bucket if kind == "s3" else str(tmp_path), "a", "x.parquet")
    assert storage.stored(place) is None
    storage.write(place, b"one")
    first = storage.stored(place)
    assert first is not None
    assert (first.place, first.size) == (place, 3)
    assert first == replace(storage.stored(place) or first, age=first.age)
    assert abs(first.age) < timedelta(minutes=10)
    storage.write(place, b"two")
    second = storage.stored(place)
    assert second is not None
    assert second.mark != first.mark
