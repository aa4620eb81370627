"""Files that are known to be whole: each has its digest beside it."""

import json
import os
from pathlib import Path

from local.images.oci import file_digest


def seal(path: Path) -> str:
    """Note a finished file's digest beside it, and return it."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    digest = file_digest(path)
    status = path.stat()
    note = {"digest": digest, "size": status.st_size, "mtime": status.st_mtime_ns}
    part = path.with_name(f".{path.name}.json.part")
    part.write_text(json.dumps(note))
    part.replace(_note(path))
    return digest


def sealed_digest(path: Path) -> str | None:
    """Return a file's digest, or None if it is absent, unfinished or not as it was sealed.

    The bytes are read only when size or time differ from the note, so this costs nothing.
    """
    try:
        note = json.loads(_note(path).read_text())
        status = path.stat()
        digest = str(note["digest"])
        unchanged = [status.st_size, status.st_mtime_ns] == [note["size"], note["mtime"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if unchanged:
        return digest
    return seal(path) if file_digest(path) == digest else None


def forget(path: Path) -> None:
    """Remove a file and its note."""
    _note(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
