"""A stored file, in a local folder or a bucket."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Stored:
    """A stored file: its location, and a mark (hash or ETag) that changes with its content."""

    place: str
    mark: str
    size: int
    age: timedelta = timedelta()
    regular: bool = True
    """False for what is no file: a pipe, a device or a link to a folder."""
