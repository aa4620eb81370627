"""Storage of files in a local folder or at ``s3://bucket/key``: read, list and publish."""

import contextlib
import fcntl
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from io import BufferedIOBase
from pathlib import Path
from typing import cast

from model.errors import UserError
from model.io import local_files, s3
from model.io.stored import Stored

LOCK = ".lock"
ABANDONED = timedelta(days=1)
"""A file in an object store that no manifest names and that is older than this is of a run that died."""


def is_s3(place: str) -> bool:
    """Return whether a storage location is in S3."""
    return place.startswith(s3.SCHEME)


def join(place: str, *parts: str) -> str:
    """Return a storage location below another."""
    return "/".join([place.rstrip("/"), *parts]) if is_s3(place) else str(Path(place, *parts))


def parent(place: str) -> str:
    """Return the parent of a storage location."""
    return place.rstrip("/").rpartition("/")[0] if is_s3(place) else str(Path(place).parent)


def inside(place: str, other: str) -> bool:
    """Return whether a storage location is another one or below it."""
    if is_s3(place) != is_s3(other):
        return False
    if is_s3(place):
        return (place.rstrip("/") + "/").startswith(other.rstrip("/") + "/")
    return Path(place).resolve().is_relative_to(Path(other).resolve())


def listing(place: str, suffixes: tuple[str, ...] = ("",)) -> list[Stored]:
    """Return every file at or below a storage location whose name ends in one of the suffixes, in a stable order.

    Raises
    ------
    UserError
        If a file or folder cannot be read, or a link leads nowhere.
    """
    if is_s3(place):
        return [stored for stored in s3.listing(place) if stored.place.lower().endswith(suffixes)]
    return local_files.listing(Path(place), suffixes)


def entries(place: str) -> list[Stored]:
    """Return all entries at or below a storage location, hidden files included, in a stable order, without hashes.

    Raises
    ------
    UserError
        If a folder cannot be read, or a link leads nowhere.
    """
    if is_s3(place):
        return s3.listing(place)
    root = Path(place)
    return [local_files.entry(path) for path in ([root] if root.is_file() else sorted(local_files.everything(root)))]


def stored(place: str) -> Stored | None:
    """Return one file's mark, size and age without reading it, or nothing when no such file exists."""
    return s3.stored(place) if is_s3(place) else local_files.stored(Path(place))


def marked(stored: Stored) -> Stored:
    """Return a file with its mark."""
    return stored if stored.mark else replace(stored, mark=local_files.digest(Path(stored.place)))


def folders(place: str) -> list[str]:
    """Return the names of the folders directly below a storage location."""
    prefix = place.rstrip("/") + "/"
    if not is_s3(place):
        root = Path(place)
        return sorted(child.name for child in root.iterdir() if child.is_dir()) if root.is_dir() else []
    relative = (stored.place.removeprefix(prefix) for stored in s3.listing(prefix))
    return sorted({name.partition("/")[0] for name in relative if "/" in name})


def read(place: str) -> bytes:
    """Return a file's bytes."""
    content = read_if_any(place)
    if content is None:
        raise UserError(f"There is no file at {place}; check the path or the prefix.")
    return content


def read_if_any(place: str) -> bytes | None:
    """Return a file's bytes, or nothing when no such file exists."""
    if is_s3(place):
        return s3.get(place)
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
        s3.fetch(place, scratch)
        scratch.seek(0)
        yield cast(BufferedIOBase, scratch)


def head(place: str, size: int) -> bytes:
    """Return the first bytes of a file, without fetching the rest; none of an empty one."""
    if not is_s3(place):
        with reading(place) as stream:
            return stream.read(size)
    return s3.head(place, size)


def write(place: str, content: bytes, *, private: bool = False) -> None:
    """Publish a file whole: a reader sees the old bytes or the new ones, never a part.

    A private file on this machine can be read by its owner alone; a bucket has its own policy.
    """
    if is_s3(place):
        s3.put(place, content)
        return
    local_files.write(Path(place), [content], 0o600 if private else 0o644)


def create(place: str, content: bytes, *, private: bool = False) -> None:
    """Publish a file whole that must not exist with another content.

    In a bucket this is a conditional write (``If-None-Match: *``), so that of two writers one is refused. A private
    file on this machine can be read by its owner alone.

    Raises
    ------
    UserError
        If a file with another content exists, or the storage cannot be written.
    """
    mode = 0o600 if private else 0o644
    created = s3.create(place, content) if is_s3(place) else local_files.create(Path(place), content, mode)
    if not created and read(place) != content:
        raise UserError(f"{place} exists with another content, and is written once; nothing was replaced.")


def put_file(place: str, path: Path) -> None:
    """Publish a finished local file whole, moving it, without holding it in memory."""
    if is_s3(place):
        with path.open("rb") as stream:
            s3.put_stream(place, stream)
        path.unlink()
        return
    with path.open("rb") as stream:
        local_files.write(Path(place), iter(lambda: stream.read(s3.CHUNK), b""), stat.S_IMODE(path.stat().st_mode))
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
            if path.is_file() and (unwanted or path.name.startswith(local_files.HALF)):
                path.unlink(missing_ok=True)
        return
    for stored in s3.listing(place):
        if stored.place.endswith(suffix) and stored.place not in keep and stored.age > ABANDONED:
            remove(stored.place)


def remove(place: str) -> None:
    """Delete a file; one that is gone already is no fault."""
    if is_s3(place):
        s3.delete(place)
    else:
        Path(place).unlink(missing_ok=True)
