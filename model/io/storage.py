"""A place is a local path or ``s3://bucket/key``: read, list and publish either in the same words.

S3 is used through exactly three calls (list, get, put) and a delete, so that a role needs no more than these.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BufferedIOBase
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, NoReturn, cast

from model.errors import UserError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SCHEME = "s3://"
CHUNK = 1024 * 1024
HALF = ".part-"
TEXT_KINDS = {".json": "application/json", ".md": "text/markdown", ".html": "text/html"}
LOCK = ".lock"
ABANDONED = timedelta(days=1)
"""A file in an object store that no manifest names and that is older than this is of a run that died."""


@dataclass(frozen=True)
class Stored:
    """One stored file: where it is and a mark that changes when its content does."""

    place: str
    mark: str
    size: int
    age: timedelta = timedelta()
    regular: bool = True
    """False for what is no file: a pipe, a device or a link to a folder."""


def is_s3(place: str) -> bool:
    """Return whether a place lies in an object store."""
    return place.startswith(SCHEME)


def join(place: str, *parts: str) -> str:
    """Return a place below another."""
    return "/".join([place.rstrip("/"), *parts]) if is_s3(place) else str(Path(place, *parts))


def parent(place: str) -> str:
    """Return the folder of a place."""
    return place.rstrip("/").rpartition("/")[0] if is_s3(place) else str(Path(place).parent)


def inside(place: str, other: str) -> bool:
    """Return whether a place is another one or lies below it."""
    if is_s3(place) != is_s3(other):
        return False
    if is_s3(place):
        return (place.rstrip("/") + "/").startswith(other.rstrip("/") + "/")
    return Path(place).resolve().is_relative_to(Path(other).resolve())


def listing(place: str, suffixes: tuple[str, ...] = ("",)) -> list[Stored]:
    """Return every file at or below a place whose name ends in one of the suffixes, in a stable order.

    Raises
    ------
    UserError
        If a file or folder cannot be read, or a link leads nowhere.
    """
    if is_s3(place):
        return [stored for stored in _list_s3(place) if stored.place.lower().endswith(suffixes)]
    return _list_local(Path(place), suffixes)


def entries(place: str) -> list[Stored]:
    """Return everything at or below a place, hidden files included, in a stable order and without a local file's mark.

    Raises
    ------
    UserError
        If a folder cannot be read, or a link leads nowhere.
    """
    if is_s3(place):
        return _list_s3(place)
    root = Path(place)
    return [_entry(path) for path in ([root] if root.is_file() else sorted(_everything(root)))]


def marked(stored: Stored) -> Stored:
    """Return a file with its mark."""
    return stored if stored.mark else replace(stored, mark=_digest(Path(stored.place)))


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


@contextlib.contextmanager
def reading(place: str) -> Iterator[BufferedIOBase]:
    """Open a file for reading from any position; one in an object store is first copied to a file without a name."""
    if not is_s3(place):
        with contextlib.ExitStack() as opened:
            try:
                stream = opened.enter_context(Path(place).open("rb"))
            except OSError as fault:
                raise UserError(f"Cannot read a file below {parent(place)}: {fault.strerror}.") from None
            yield stream
        return
    with tempfile.TemporaryFile("w+b") as scratch:
        _fetch_s3(place, scratch)
        scratch.seek(0)
        yield cast(BufferedIOBase, scratch)


def head(place: str, size: int) -> bytes:
    """Return the first bytes of a file, without fetching the rest; none of an empty one."""
    if not is_s3(place):
        with reading(place) as stream:
            return stream.read(size)
    bucket, key = _split(place)
    with _explained(place):
        if not client().head_object(Bucket=bucket, Key=key)["ContentLength"]:
            return b""
        found: bytes = client().get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{size - 1}")["Body"].read()
    return found


def write(place: str, content: bytes, *, private: bool = False) -> None:
    """Publish a file whole: a reader sees the old bytes or the new ones, never a part.

    A private file on this machine can be read by its owner alone; a bucket has its own policy.
    """
    if is_s3(place):
        bucket, key = _split(place)
        with _explained(place):
            client().put_object(Bucket=bucket, Key=key, Body=content, ContentType=_kind(key))
        return
    _write_local(Path(place), [content], 0o600 if private else 0o644)


def _kind(key: str) -> str:
    """Return what S3 tells readers of a file; some, such as Pulumi, read only what is text."""
    return TEXT_KINDS.get(PurePosixPath(key).suffix, "application/octet-stream")


def _write_local(target: Path, chunks: Iterable[bytes], mode: int) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=HALF)
        scratch = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                for chunk in chunks:
                    stream.write(chunk)
                stream.flush()
                os.fsync(stream.fileno())
            scratch.chmod(mode)
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as fault:
        raise UserError(f"Cannot write {target}: {fault.strerror}; free space or choose another --out.") from None


def put_file(place: str, path: Path) -> None:
    """Publish a finished local file whole, moving it, without holding it in memory."""
    if is_s3(place):
        bucket, key = _split(place)
        with _explained(place), path.open("rb") as stream:
            client().put_object(Bucket=bucket, Key=key, Body=stream)
        path.unlink()
        return
    with path.open("rb") as stream:
        _write_local(Path(place), iter(lambda: stream.read(CHUNK), b""), stat.S_IMODE(path.stat().st_mode))
    path.unlink()


@contextlib.contextmanager
def alone(place: str) -> Iterator[None]:
    """Hold a local folder against other runs on this machine; an object store has no such lock."""
    if is_s3(place):
        yield
        return
    with contextlib.ExitStack() as opened:
        try:
            Path(place).mkdir(parents=True, exist_ok=True)
            fcntl.flock(opened.enter_context(Path(place, LOCK).open("a")), fcntl.LOCK_EX)
        except OSError as fault:
            raise UserError(f"Cannot write {place}: {fault.strerror}; choose another --out.") from None
        yield


def sweep(place: str, suffix: str, keep: set[str]) -> None:
    """Remove what killed runs left: half files and files of a kind that are not to be kept.

    The caller holds a local folder alone; in an object store, a file may be of a run that is still under way and
    goes only when it is old.
    """
    if not is_s3(place):
        for path in Path(place).rglob("*"):
            unwanted = path.name.endswith(suffix) and str(path) not in keep
            if path.is_file() and (unwanted or path.name.startswith(HALF)):
                path.unlink(missing_ok=True)
        return
    for stored in _list_s3(place):
        if stored.place.endswith(suffix) and stored.place not in keep and stored.age > ABANDONED:
            remove(stored.place)


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


def _fetch_s3(place: str, into: IO[bytes]) -> None:
    bucket, key = _split(place)
    with _explained(place):
        body = client().get_object(Bucket=bucket, Key=key)["Body"]
        for chunk in body.iter_chunks(CHUNK):
            into.write(chunk)


def _list_s3(place: str) -> list[Stored]:
    bucket, prefix = _split(place)
    now = datetime.now(UTC)
    with _explained(place):
        pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [
            Stored(f"{SCHEME}{bucket}/{item['Key']}", item["ETag"].strip('"'), item["Size"], now - item["LastModified"])
            for page in pages
            for item in page.get("Contents", [])
        ]
    inside = [s for s in found if s.place == place or s.place.startswith(place.rstrip("/") + "/")]
    return sorted((s for s in inside if not s.place.endswith("/")), key=lambda s: s.place)


def _list_local(root: Path, suffixes: tuple[str, ...]) -> list[Stored]:
    files = [root] if root.is_file() else sorted(_files(root))
    wanted = (path for path in files if path.name.lower().endswith(suffixes))
    return [Stored(str(path), _digest(path), path.stat().st_size) for path in wanted]


def _files(root: Path) -> Iterator[Path]:
    """Give the files below a folder; links to files are followed, links to folders are not."""
    return (path for path in _everything(root) if not path.name.startswith(".") and _is_regular(path))


def _everything(root: Path) -> Iterator[Path]:
    """Give all that lies below a folder except folders; links to folders are given and not followed."""
    if not root.is_dir():
        return
    for folder, below, names in os.walk(root, onerror=_unreadable):
        yield from (Path(folder, name) for name in names)
        yield from (path for path in (Path(folder, name) for name in below) if path.is_symlink())


def _is_regular(path: Path) -> bool:
    """Return whether a path can be read: a pipe would hold the reader for ever; a dead link fails when it is read."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _entry(path: Path) -> Stored:
    regular = _is_regular(path)
    try:
        return Stored(str(path), "", path.stat().st_size if regular else 0, regular=regular)
    except OSError as fault:
        raise UserError(f"Cannot read a file below {path.parent}: {fault.strerror}.") from None


def _unreadable(fault: OSError) -> NoReturn:
    raise UserError(f"Cannot read a folder of the source: {fault.strerror}; mend its permissions.")


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as fault:
        raise UserError(f"Cannot read a file below {path.parent}: {fault.strerror}.") from None
