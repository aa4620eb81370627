"""Statements of people about a stack: one file a subject, in ``statements/<stack>/``, shown with name and date."""

import datetime
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from policy_pack import tables
from policy_pack.errors import PackError
from policy_pack.settings import Day, Text

FOLDER: Final = "statements"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Agreement(_Strict):
    """A hospital's business associate agreement, and its contacts."""

    hospital: Text
    agreement: Text
    signed: Day
    security_contact: Text
    privacy_contact: Text


class PersonAccess(_Strict):
    """A person with access, the role of the person, and the last review of the access."""

    person: Text
    role: Text
    last_review: Day


class RestoreDrill(_Strict):
    """A restore drill: its day, what was restored, how long that took, and whether it succeeded."""

    day: Day
    restored: Text
    hours: float
    succeeded: bool


class Incident(_Strict):
    """A security incident: when it was discovered, what it was, and when the hospitals were notified."""

    discovered: Day
    summary: Text
    hospitals: tuple[Text, ...]
    notified: Day | None = None


Entry = TypeVar("Entry", bound=BaseModel)


class Stated(_Strict):
    """Author and date of a statement."""

    by: Text
    date: Day


class Statement(_Strict, Generic[Entry]):
    """A statement: who made it, and its entries, of which there may be none."""

    stated: Stated
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Subject:
    """A subject of statements as a table for the page.

    Parameters
    ----------
    title, file
        The subject, and its file.
    stated
        ``stated by NAME on DATE``; empty where nobody stated anything.
    columns, rows
        The table.
    missing
        What the stack has, and the statement does not.
    """

    title: str
    file: str
    stated: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    missing: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class _Form:
    """The title of a subject, its file, and the form of the file and of its entries."""

    title: str
    file: str
    statement: type[Statement[Any]]
    entry: type[BaseModel]


_SUBJECTS: Final = (
    _Form("Agreements and contacts of the hospitals", "agreements.yaml", Statement[Agreement], Agreement),
    _Form("People with access, and the last review", "access.yaml", Statement[PersonAccess], PersonAccess),
    _Form("Restore drills", "restore-drills.yaml", Statement[RestoreDrill], RestoreDrill),
    _Form("Security incidents", "incidents.yaml", Statement[Incident], Incident),
)


def subjects(folder: Path, hospitals: tuple[str, ...], today: datetime.date) -> tuple[Subject, ...]:
    """Return what people stated in the files of a folder; a file that does not exist states nothing.

    Raises
    ------
    PackError
        When a file has another form, an unknown file is in the folder, or a statement is of the future.
    """
    known = {form.file for form in _SUBJECTS}
    unknown = sorted(path.name for path in folder.glob("*") if path.name not in known)
    if unknown:
        raise PackError(
            f"{folder / unknown[0]} is not a statement; its name must be one of {', '.join(sorted(known))}."
        )
    return tuple(_subject(folder / form.file, form, hospitals, today) for form in _SUBJECTS)


def _subject(path: Path, form: _Form, hospitals: tuple[str, ...], today: datetime.date) -> Subject:
    named = hospitals if form.entry is Agreement else ()
    if not path.exists():
        return Subject(form.title, form.file, "", missing=tuple(f"{name}: not stated" for name in named))
    statement = _read(path, form.statement)
    dates = [value for one in (statement.stated, *statement.entries) for value in dict(one).values()]
    if any(isinstance(value, datetime.date) and value > today for value in dates):
        raise PackError(f"{path} states something of the future; correct its dates.")
    stated = {getattr(entry, "hospital", "") for entry in statement.entries}
    missing = tuple(f"{name}: not stated" for name in named if name not in stated)
    columns = tuple(name.replace("_", " ") for name in form.entry.model_fields)
    rows = tuple(tuple(_text(value) for value in dict(entry).values()) for entry in statement.entries)
    by = f"stated by {statement.stated.by} on {statement.stated.date}"
    return Subject(form.title, form.file, by, columns, rows, missing)


def _read(path: Path, form: type[Statement[Any]]) -> Statement[Any]:
    return tables.read(form.model_validate, path)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
