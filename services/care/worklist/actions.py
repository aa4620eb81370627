"""Actions of a coordinator on an entry: each is one transaction, checked against the version that they saw."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from sqlalchemy import func, insert, update

from services.care.worklist import codes, entries, tables
from services.care.worklist.entries import Entry
from services.care.worklist.forms import InvalidFormError
from services.care.worklist.sessions import COORDINATOR, Session

LONGEST_NOTE = 4000
Note = Annotated[str, StringConstraints(max_length=LONGEST_NOTE, strip_whitespace=True)]
Some = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NOTE, strip_whitespace=True)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=40)]
FormT = TypeVar("FormT", bound=BaseModel)


class ConflictError(Exception):
    """Somebody else changed the entry since the page was shown; the message says who has it now."""


class _Form(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Versioned(_Form):
    version: int = Field(ge=1, le=2**31 - 1)


class _Assign(_Versioned):
    assignee: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Due(_Versioned):
    due_on: date


class _Coded(_Form):
    code: Code
    note: Note = ""


class _Noted(_Form):
    note: Some


class _Override(_Versioned):
    code: Code
    note: Note = ""


class _Close(_Versioned):
    code: Code
    note: Note = ""


@dataclass(frozen=True)
class Action:
    """An action: what it does, and what the page says afterwards."""

    run: Callable[[Session, Entry, dict[str, str], date], None]
    done: str


def claim(session: Session, entry: Entry, fields: dict[str, str], _today: date) -> None:
    """Claim an entry that nobody has."""
    form = _checked(_Versioned, fields)
    if COORDINATOR not in session.person.roles:
        raise InvalidFormError("Only a coordinator can claim a patient; assign the patient to one.")
    _open(entry)
    if entry.assignee is not None:
        raise ConflictError(_holder(session, entry))
    person = session.person
    _change(session, entry, form.version, assignee=person.subject, assignee_name=person.name)
    _event(session, entry, "claim")


def release(session: Session, entry: Entry, fields: dict[str, str], _today: date) -> None:
    """Give an entry back."""
    form = _checked(_Versioned, fields)
    _open(entry)
    _change(session, entry, form.version, assignee=None, assignee_name=None)
    _event(session, entry, "release")


def assign(session: Session, entry: Entry, fields: dict[str, str], _today: date) -> None:
    """Assign an entry to a coordinator of its unit."""
    form = _checked(_Assign, fields)
    _open(entry)
    people = {person.subject: person for person in entries.colleagues(session.connection, entry.unit)}
    person = people.get(form.assignee)
    if person is None:
        raise InvalidFormError("Choose a coordinator of this unit from the list.")
    _change(session, entry, form.version, assignee=person.subject, assignee_name=person.name)
    _event(session, entry, "assign", note=person.name)


def set_due(session: Session, entry: Entry, fields: dict[str, str], today: date) -> None:
    """Set the date by which the follow-up is due."""
    form = _checked(_Due, fields)
    _open(entry)
    latest = today + timedelta(days=codes.read().due_within_days)
    if not today <= form.due_on <= latest:
        raise InvalidFormError(f"Choose a due date from today to {latest:%d %b %Y}.")
    _change(session, entry, form.version, due_on=form.due_on)
    _event(session, entry, "due", code=form.due_on.isoformat())


def contact(session: Session, entry: Entry, fields: dict[str, str], _today: date) -> None:
    """Record an attempt to reach the patient."""
    form = _checked(_Coded, fields)
    _event(session, entry, "contact", code=_known(form.code, codes.read().contacts), note=form.note)


def intervene(session: Session, entry: Entry, fields: dict[str, str], _today: date) -> None:
    """Record an intervention."""
    form = _checked(_Coded, fields)
    _event(session, entry, "intervention", code=_known(form.code, codes.read().interventions), note=form.note)


def write_note(session: Session, entry: Entry, fields: dict[str, str], _today: date) -> None:
    """Add a note."""
    _event(session, entry, "note", note=_checked(_Noted, fields).note)


def override(session: Session, entry: Entry, fields: dict[str, str], _today: date) -> None:
    """Override the score with a coded reason, which planning gets as feedback; the score itself stays."""
    form = _checked(_Override, fields)
    _open(entry)
    direction = codes.read().direction(form.code)
    if direction is None:
        raise InvalidFormError("Choose a reason from the list.")
    _change(session, entry, form.version, priority=direction)
    event = _event(session, entry, "override", code=form.code, note=form.note)
    session.connection.execute(
        insert(tables.feedback).values(
            event=event,
            encounter=entry.encounter,
            record=entry.newest.score.record,
            direction=direction,
            code=form.code,
        )
    )


def close(session: Session, entry: Entry, fields: dict[str, str], _today: date) -> None:
    """Close an entry with its outcome."""
    form = _checked(_Close, fields)
    _open(entry)
    outcome = _known(form.code, codes.read().outcomes)
    _change(session, entry, form.version, closed_at=func.now(), outcome=outcome)
    _event(session, entry, "close", code=outcome, note=form.note)


def reopen(session: Session, entry: Entry, fields: dict[str, str], _today: date) -> None:
    """Open a closed entry again."""
    form = _checked(_Versioned, fields)
    if entry.closed_at is None:
        raise ConflictError("This entry is open.")
    _change(session, entry, form.version, closed_at=None, outcome=None)
    _event(session, entry, "reopen")


ACTIONS = {
    "claim": Action(claim, "You have claimed this patient."),
    "release": Action(release, "The patient is back on the list, unclaimed."),
    "assign": Action(assign, "The patient is assigned."),
    "due": Action(set_due, "The due date is set."),
    "contact": Action(contact, "The contact attempt is recorded."),
    "intervention": Action(intervene, "The intervention is recorded."),
    "note": Action(write_note, "The note is saved."),
    "override": Action(override, "The override is recorded."),
    "close": Action(close, "The follow-up is closed."),
    "reopen": Action(reopen, "The follow-up is open again."),
}


def _checked(kind: type[FormT], fields: dict[str, str]) -> FormT:
    try:
        return kind.model_validate(fields)
    except ValidationError as fault:
        error = fault.errors(include_input=False)[0]
        field = str(error["loc"][0]).replace("_on", " date").replace("code", "choice") if error["loc"] else "form"
        if error["type"] == "string_too_long":
            raise InvalidFormError(f"Shorten the {field} to {LONGEST_NOTE:,} characters.") from None
        raise InvalidFormError(f"Complete the field: {field}.") from None


def _known(code: str, choices: dict[str, str]) -> str:
    if code not in choices:
        raise InvalidFormError("Choose one from the list.")
    return code


def _open(entry: Entry) -> None:
    if entry.closed_at is not None:
        raise ConflictError("This follow-up was closed meanwhile; reopen it to change it.")


def _holder(session: Session, entry: Entry) -> str:
    if entry.assignee == session.person.subject:
        return "You have this patient already."
    return f"{entry.assignee_name} has claimed this patient."


def _change(session: Session, entry: Entry, version: int, **values: Any) -> None:
    """Change an entry if it still has the version that the person saw."""
    columns = tables.entries.c
    statement = (
        update(tables.entries)
        .where(columns.id == entry.id, columns.version == version)
        .values(version=columns.version + 1, **values)
        .returning(columns.version)
    )
    if session.connection.execute(statement).one_or_none() is None:
        now = entries.one(session, entry.id)
        raise ConflictError(
            _holder(session, now) if now.assignee else "Somebody changed this entry meanwhile; look at it again."
        )


def _event(session: Session, entry: Entry, kind: str, *, code: str | None = None, note: str | None = None) -> int:
    person = session.person
    statement = insert(tables.events).values(
        entry=entry.id, actor=person.subject, actor_name=person.name, kind=kind, code=code, note=note or None
    )
    event: int = session.connection.execute(statement.returning(tables.events.c.id)).scalar_one()
    return event
