"""Landing storage: complete files under their final names, and the state for resuming a run."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, field
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from model.errors import UserError
from model.fhir.discovery import LANDING_STATE as STATE
from model.io import storage

# A name that ingestion does not read.
PART = ".part-"
_STRICT = ConfigDict(extra="forbid")


@checked(config=_STRICT)
class Run:
    """A run against a FHIR server.

    Parameters
    ----------
    number
        Counts the runs of a landing place; the name of the run's folder.
    mode
        ``export`` or ``search``.
    began
        When it began, in seconds since 1970.
    since
        The server's moment from which changes are asked for; nothing for everything.
    until
        The server's moment up to which the run brings everything.
    status_url
        Where an export is asked after.
    files
        Each landed file with its count of resources.
    links
        For a search, the address of each type's next page; nothing after the last.
    repeated
        For an increment, the resources that are not shown to have changed since the moment.
    abandoned
        Whether it was given up; what it brought is to be removed.
    """

    number: int
    mode: str
    began: float
    since: str | None = None
    until: str | None = None
    status_url: str | None = None
    files: dict[str, int] = field(default_factory=dict)
    links: dict[str, str | None] = field(default_factory=dict)
    repeated: int = 0
    abandoned: bool = False


@checked(config=_STRICT)
class State:
    """State of the landing storage, and of an unfinished run.

    Parameters
    ----------
    source, group
        What it was fetched from.
    number
        The last run.
    until
        The server's moment up to which everything has landed.
    full_at
        When the last run that brought everything ended, in seconds since 1970.
    full_resources
        How many resources it brought.
    since_ignored_at
        When the server was last seen to ignore the moment since which changes are asked for, in seconds since 1970.
    run
        The run under way.
    leftover
        The status address of an ended export that was not yet deleted on the server.
    files
        The names of the files of ended runs.
    """

    source: str
    group: str | None = None
    number: int = 0
    until: str | None = None
    full_at: float = 0.0
    full_resources: int = 0
    since_ignored_at: float = 0.0
    run: Run | None = None
    leftover: str | None = None
    files: list[str] = field(default_factory=list)


class Landing:
    """A folder or prefix that holds raw records: private, and written whole file by whole file."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._local = None if storage.is_s3(place) else Path(place)
        if self._local:
            try:
                self._local.mkdir(mode=0o700, parents=True, exist_ok=True)
                # What a killed run left is half a file.
                for part in self._local.glob(f"{PART}*"):
                    part.unlink()
            except OSError as fault:
                raise UserError(f"Cannot use {place} as --landing: {fault.strerror}.") from None

    def state(self) -> State | None:
        """Return the state that was saved last."""
        content = storage.read_if_any(storage.join(self.place, STATE))
        if content is None:
            return None
        try:
            return TypeAdapter(State).validate_json(content)
        except ValidationError:
            raise UserError(
                f"The state {STATE} in {self.place} cannot be read; choose another --landing, or empty this one."
            ) from None

    def save(self, state: State) -> None:
        """Make a state the one from which a later run goes on."""
        with self.scratch() as path:
            path.write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
            self.put(STATE, path)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a private file to write to; unless it was put, it is gone afterwards."""
        try:
            handle, name = tempfile.mkstemp(prefix=PART, dir=self._local)
        except OSError as fault:
            raise UserError(f"Cannot write to {self.place}: {fault.strerror}.") from None
        os.close(handle)
        try:
            yield Path(name)
        except OSError as fault:
            raise UserError(f"Cannot write to {self.place}: {fault.strerror}; free space and run again.") from None
        finally:
            Path(name).unlink(missing_ok=True)

    def put(self, name: str, path: Path) -> None:
        """Give a finished file its final name."""
        storage.put_file(storage.join(self.place, *name.split("/")), path)

    def drop(self, name: str) -> None:
        """Remove a landed file."""
        storage.remove(storage.join(self.place, *name.split("/")))


def file_name(run: int, kind: str, sequence: int) -> str:
    """Return the final name of a file; names sort by run, and within it by type."""
    return f"{run:04d}/{kind}.{sequence:05d}.ndjson.gz"


def kind_of(name: str) -> str:
    """Return what a landed file holds: a type, deletions or errors."""
    return name.rpartition("/")[2].partition(".")[0]
