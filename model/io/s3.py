"""S3 objects: list, get, put and delete, and no other call, so that a role needs no more than these."""

import contextlib
import functools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING

from model.errors import UserError
from model.io.stored import Stored

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SCHEME = "s3://"
CHUNK = 1024 * 1024
TEXT_KINDS = {".json": "application/json", ".md": "text/markdown", ".html": "text/html"}


@functools.cache
def client() -> "S3Client":
    """Return the S3 client; endpoint, region and credentials come from the environment."""
    import boto3
    from botocore.config import Config

    patient = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=60)
    s3: S3Client = boto3.client("s3", config=patient)
    return s3


def _split(place: str) -> tuple[str, str]:
    bucket, _, key = place.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise UserError(f"{place} has no bucket; write s3://bucket/prefix.")
    return bucket, key


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


def get(place: str) -> bytes | None:
    """Return an object's bytes, or nothing when there is no such object."""
    from botocore.exceptions import ClientError

    bucket, key = _split(place)
    with _explained(place):
        try:
            return client().get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as fault:
            if fault.response.get("Error", {}).get("Code") in {"NoSuchKey", "404"}:
                return None
            raise


def stored(place: str) -> Stored | None:
    """Return an object's mark, size and age without reading it, or nothing when there is no such object."""
    from botocore.exceptions import ClientError

    bucket, key = _split(place)
    with _explained(place):
        try:
            about = client().head_object(Bucket=bucket, Key=key)
        except ClientError as fault:
            if fault.response.get("Error", {}).get("Code") in {"NoSuchKey", "404"}:
                return None
            raise
    age = datetime.now(UTC) - about["LastModified"]
    return Stored(place, about["ETag"].strip('"'), about["ContentLength"], age)


def fetch(place: str, into: IO[bytes]) -> None:
    """Copy an object to a stream."""
    bucket, key = _split(place)
    with _explained(place):
        body = client().get_object(Bucket=bucket, Key=key)["Body"]
        for chunk in body.iter_chunks(CHUNK):
            into.write(chunk)


def head(place: str, size: int) -> bytes:
    """Return the first bytes of an object, without fetching the rest; none of an empty one."""
    bucket, key = _split(place)
    with _explained(place):
        if not client().head_object(Bucket=bucket, Key=key)["ContentLength"]:
            return b""
        content: bytes = client().get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{size - 1}")["Body"].read()
    return content


def put(place: str, content: bytes) -> None:
    """Write an object."""
    bucket, key = _split(place)
    with _explained(place):
        client().put_object(Bucket=bucket, Key=key, Body=content, ContentType=_kind(key))


def create(place: str, content: bytes) -> bool:
    """Write an object that does not exist yet; return whether it was written."""
    from botocore.exceptions import ClientError

    bucket, key = _split(place)
    with _explained(place):
        try:
            client().put_object(Bucket=bucket, Key=key, Body=content, ContentType=_kind(key), IfNoneMatch="*")
        except ClientError as fault:
            # 409: another request writes the same key at this moment.
            if fault.response.get("Error", {}).get("Code") in {"PreconditionFailed", "ConditionalRequestConflict"}:
                return False
            raise
    return True


def put_stream(place: str, stream: IO[bytes]) -> None:
    """Write an object from a stream, without holding it in memory."""
    bucket, key = _split(place)
    with _explained(place):
        client().put_object(Bucket=bucket, Key=key, Body=stream)


def delete(place: str) -> None:
    """Delete an object, if it exists."""
    bucket, key = _split(place)
    with _explained(place):
        client().delete_object(Bucket=bucket, Key=key)


def listing(place: str) -> list[Stored]:
    """Return the objects at or below a prefix, in the order of their keys."""
    bucket, prefix = _split(place)
    now = datetime.now(UTC)
    with _explained(place):
        pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        objects = [
            Stored(f"{SCHEME}{bucket}/{item['Key']}", item["ETag"].strip('"'), item["Size"], now - item["LastModified"])
            for page in pages
            for item in page.get("Contents", [])
        ]
    inside = [s for s in objects if s.place == place or s.place.startswith(place.rstrip("/") + "/")]
    return sorted((s for s in inside if not s.place.endswith("/")), key=lambda s: s.place)


def _kind(key: str) -> str:
    """Return what S3 tells readers of a file; some, such as Pulumi, read only what is text."""
    return TEXT_KINDS.get(PurePosixPath(key).suffix, "application/octet-stream")
