"""Local files: atomic writes, listing in a stable order."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from model.errors import UserError
from model.io.stored import Stored

HALF = ".part-"


def write(target: Path, chunks: Iterable[bytes], mode: int) -> None:
    """Write a file whole: a reader sees the old bytes or the new ones."""
    with _scratch(target, chunks, mode) as scratch:
        scratch.replace(target)


def create(target: Path, content: bytes, mode: int = 0o644) -> bool:
    """Write a file whole that does not exist yet; return whether it was written."""
    with _scratch(target, [content], mode) as scratch:
        try:
            target.hardlink_to(scratch)
        except FileExistsError:
            return False
    return True


@contextlib.contextmanager
def _scratch(target: Path, chunks: Iterable[bytes], mode: int) -> Iterator[Path]:
    """Give a complete file under a temporary name beside its target."""
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
            yield scratch
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as fault:
        raise UserError(f"Cannot write {target}: {fault.strerror}; free space or choose another --out.") from None


def listing(root: Path, suffixes: tuple[str, ...]) -> list[Stored]:
    """Return the files at or below a folder whose name ends in one of the suffixes, with their hashes."""
    files = [root] if root.is_file() else sorted(_files(root))
    wanted = (path for path in files if path.name.lower().endswith(suffixes))
    return [Stored(str(path), digest(path), path.stat().st_size) for path in wanted]


def _files(root: Path) -> Iterator[Path]:
    """Give the files below a folder; links to files are followed, links to folders are not."""
    return (path for path in everything(root) if not path.name.startswith(".") and _is_regular(path))


def everything(root: Path) -> Iterator[Path]:
    """Give all that lies below a folder except folders; links to folders are given and not followed."""
    if not root.is_dir():
        return
    for folder, below, names in os.walk(root, onerror=_unreadable):
        yield from (Path(folder, name) for name in names)
        yield from (path for path in (Path(folder, name) for name in below) if path.is_symlink())


def _is_regular(path: Path) -> bool:
    """Return whether a path can be read: a pipe would hold the reader for ever; a dead link fails when it is read."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def entry(path: Path) -> Stored:
    """Return a file without its hash."""
    regular = _is_regular(path)
    try:
        return Stored(str(path), "", path.stat().st_size if regular else 0, regular=regular)
    except OSError as fault:
        raise UserError(f"Cannot read a file below {path.parent}: {fault.strerror}.") from None


def stored(path: Path) -> Stored | None:
    """Return a file's mark, size and age without reading it, or nothing when there is no such file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise UserError(f"Cannot read {path}: {fault.strerror}.") from None
    mark = f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"
    age = datetime.now(UTC) - datetime.fromtimestamp(status.st_mtime, UTC)
    return Stored(str(path), mark, status.st_size, age)


def _unreadable(fault: OSError) -> NoReturn:
    raise UserError(f"Cannot read a folder of the source: {fault.strerror}; correct its permissions.")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as fault:
        raise UserError(f"Cannot read a file below {path.parent}: {fault.strerror}.") from None
