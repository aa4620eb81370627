"""A place is a local path or ``s3://bucket/key``: read, list and publish either in the same words.

S3 is used through exactly three calls (list, get, put) and a delete, so that a role needs no more than these.
"""

import contextlib
import functools
import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import UserError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SCHEME = "s3://"


@dataclass(frozen=True)
class Stored:
    """One stored file: where it is and a mark that changes when its content does."""

    place: str
    mark: str
    size: int


def is_s3(place: str) -> bool:
    """Return whether a place lies in an object store."""
    return place.startswith(SCHEME)


def join(place: str, *parts: str) -> str:
    """Return a place below another."""
    return "/".join([place.rstrip("/"), *parts]) if is_s3(place) else str(Path(place, *parts))


def parent(place: str) -> str:
    """Return the folder of a place."""
    return place.rstrip("/").rpartition("/")[0] if is_s3(place) else str(Path(place).parent)


def listing(place: str) -> list[Stored]:
    """Return every file at or below a place, in a stable order."""
    return _list_s3(place) if is_s3(place) else _list_local(Path(place))


def folders(place: str) -> list[str]:
    """Return the names of the folders directly below a place."""
    prefix = place.rstrip("/") + "/"
    if not is_s3(place):
        root = Path(place)
        return sorted(child.name for child in root.iterdir() if child.is_dir()) if root.is_dir() else []
    found = (stored.place.removeprefix(prefix) for stored in _list_s3(prefix))
    return sorted({name.partition("/")[0] for name in found if "/" in name})


def read(place: str) -> bytes:
    """Return a file's bytes."""
    found = read_if_any(place)
    if found is None:
        raise UserError(f"There is no file at {place}; check the path or the prefix.")
    return found


def read_if_any(place: str) -> bytes | None:
    """Return a file's bytes, or nothing when no such file exists."""
    if is_s3(place):
        return _get_s3(place)
    try:
        return Path(place).read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    except OSError as fault:
        raise UserError(f"Cannot read {place}: {fault.strerror}.") from None


def write(place: str, content: bytes, *, private: bool = False) -> None:
    """Publish a file whole: a reader sees the old bytes or the new ones, never a part.

    A private file on this machine can be read by its owner alone; a bucket has its own policy.
    """
    if is_s3(place):
        bucket, key = _split(place)
        with _explained(place):
            client().put_object(Bucket=bucket, Key=key, Body=content)
        return
    target = Path(place)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".part-")
        scratch = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            scratch.chmod(0o600 if private else 0o644)
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as fault:
        raise UserError(f"Cannot write {place}: {fault.strerror}; free space or choose another --out.") from None


def put_file(place: str, path: Path) -> None:
    """Publish a finished local file whole, moving it; a local place must be on the file's own file system."""
    if is_s3(place):
        bucket, key = _split(place)
        with _explained(place), path.open("rb") as stream:
            client().put_object(Bucket=bucket, Key=key, Body=stream)
        path.unlink()
        return
    target = Path(place)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        path.replace(target)
    except OSError as fault:
        raise UserError(f"Cannot write {place}: {fault.strerror}; free space or choose another place.") from None


def remove(place: str) -> None:
    """Delete a file; one that is gone already is no fault."""
    if is_s3(place):
        bucket, key = _split(place)
        with _explained(place):
            client().delete_object(Bucket=bucket, Key=key)
    else:
        Path(place).unlink(missing_ok=True)


def _split(place: str) -> tuple[str, str]:
    bucket, _, key = place.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise UserError(f"{place} names no bucket; write s3://bucket/prefix.")
    return bucket, key


@functools.cache
def client() -> "S3Client":
    """Return the S3 client; endpoint, region and credentials come from the environment."""
    import boto3
    from botocore.config import Config

    patient = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=60)
    made: S3Client = boto3.client("s3", config=patient)
    return made


@contextlib.contextmanager
def _explained(place: str) -> Iterator[None]:
    """Turn what the object store's client raises into one sentence."""
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _ = _split(place)
    try:
        yield
    except ClientError as fault:
        code = str(fault.response.get("Error", {}).get("Code", "an error"))
        raise UserError(
            f"The object store answered {code} for bucket {bucket}; check that it exists and the role may use {place}."
        ) from None
    except BotoCoreError as fault:
        raise UserError(
            f"Cannot reach bucket {bucket} ({type(fault).__name__}); check AWS_ENDPOINT_URL, region, credentials."
        ) from None


def _get_s3(place: str) -> bytes | None:
    from botocore.exceptions import ClientError

    bucket, key = _split(place)
    with _explained(place):
        try:
            return client().get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as fault:
            if fault.response.get("Error", {}).get("Code") in {"NoSuchKey", "404"}:
                return None
            raise


def _list_s3(place: str) -> list[Stored]:
    bucket, prefix = _split(place)
    with _explained(place):
        pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [
            Stored(f"{SCHEME}{bucket}/{item['Key']}", item["ETag"].strip('"'), item["Size"])
            for page in pages
            for item in page.get("Contents", [])
        ]
    inside = [s for s in found if s.place == place or s.place.startswith(place.rstrip("/") + "/")]
    return sorted((s for s in inside if not s.place.endswith("/")), key=lambda s: s.place)


def _list_local(root: Path) -> list[Stored]:
    if root.is_file():
        files = [root]
    elif root.is_dir():
        files = sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    else:
        return []
    return [Stored(str(path), _digest(path), path.stat().st_size) for path in files]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as fault:
        raise UserError(f"Cannot read a file below {path.parent}: {fault.strerror}.") from None
