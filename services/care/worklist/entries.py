"""Reading the worklist: what the policies of the database let the person of the transaction see."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Double, Row, and_, case, cast, func, insert, select, text, true
from sqlalchemy.sql import Select

from services.care.worklist import tables
from services.care.worklist.ports import Launched
from services.care.worklist.scores import DatedScore, Score
from services.care.worklist.sessions import Session

MOST_ENTRIES = 500
MOST_VIEWS = 50
VIEW_AGAIN_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class Entry:
    """A discharge on the worklist, with its newest score."""

    id: str
    encounter: str
    unit: str
    discharged_at: datetime
    version: int
    assignee: str | None
    assignee_name: str | None
    due_on: date | None
    priority: str | None
    closed_at: datetime | None
    outcome: str | None
    newest: DatedScore


@dataclass(frozen=True)
class Event:
    """Event of an entry: an action of a person."""

    at: datetime
    actor_name: str
    kind: str
    code: str | None
    note: str | None


@dataclass(frozen=True)
class View:
    """View of an entry by a person."""

    at: datetime
    actor_name: str
    break_glass: bool


@dataclass(frozen=True)
class Colleague:
    """A coordinator of a unit who has signed in within the last months."""

    subject: str
    name: str


class UnknownEntryError(Exception):
    """No such entry, or none that this person may see: the two are not told apart."""


def listed(
    session: Session, *, show: str = "open", unit: str = "", first: int = 0, most: int = MOST_ENTRIES
) -> list[Entry]:
    """Return entries in the order of the list: not scored, ranked by LACE, scored by the model; in each by risk.

    Parameters
    ----------
    session : Session
        The person's transaction.
    show : str
        ``open``, ``mine``, ``unclaimed`` or ``closed``.
    unit : str
        Entries of this unit alone; of all units if empty.
    first, most : int
        Position of the first entry, and how many at most.
    """
    statement = _entries().where(_shown(session, show, unit)).order_by(*_order()).offset(first).limit(most)
    return [_entry(row) for row in session.connection.execute(statement)]


def count(session: Session, *, show: str = "open", unit: str = "") -> int:
    """Return how many entries :func:`listed` has in all."""
    statement = select(func.count()).select_from(tables.entries).where(_shown(session, show, unit))
    return session.connection.execute(statement).scalar_one()


def one(session: Session, entry: str) -> Entry:
    """Return an entry by its ID.

    Raises
    ------
    UnknownEntryError
        If there is none that this person may see.
    """
    try:
        identifier = str(UUID(entry))
    except ValueError:
        raise UnknownEntryError from None
    row = session.connection.execute(_entries().where(tables.entries.c.id == identifier)).one_or_none()
    if row is None:
        raise UnknownEntryError
    return _entry(row)


def of_launch(session: Session, launched: Launched) -> Entry | None:
    """Return the entry of a launch's encounter, or the patient's newest, if the person may see it."""
    columns = tables.entries.c
    encounter = launched.encounter
    condition = columns.patient == launched.patient if encounter is None else columns.encounter == encounter
    newest = _entries().where(condition).order_by(columns.discharged_at.desc()).limit(1)
    row = session.connection.execute(newest).one_or_none()
    return None if row is None else _entry(row)


def scores(connection: Connection, entry: Entry) -> list[DatedScore]:
    """Return the scores of an entry, newest first."""
    statement = select(tables.scores.c.scored_at, tables.scores.c.content).where(tables.scores.c.entry == entry.id)
    order = (tables.scores.c.scored_at.desc(), tables.scores.c.id.desc())
    return [_score(row.scored_at, row.content) for row in connection.execute(statement.order_by(*order).limit(50))]


def events(connection: Connection, entry: Entry) -> list[Event]:
    """Return what people did with an entry, newest first."""
    columns = tables.events.c
    statement = select(columns.at, columns.actor_name, columns.kind, columns.code, columns.note)
    statement = statement.where(columns.entry == entry.id).order_by(columns.id.desc())
    return [Event(*row) for row in connection.execute(statement)]


def views(connection: Connection, entry: Entry) -> list[View]:
    """Return who looked at an entry, newest first."""
    columns = tables.views.c
    statement = select(columns.at, columns.actor_name, columns.break_glass).where(columns.entry == entry.id)
    return [View(*row) for row in connection.execute(statement.order_by(columns.id.desc()).limit(MOST_VIEWS))]


def record_view(session: Session, entry: Entry) -> None:
    """Record that a person looked at an entry, once in some minutes: they return to the page after each action."""
    columns, person = tables.views.c, session.person
    recent = select(columns.id).where(
        columns.entry == entry.id,
        columns.actor == person.subject,
        columns.at > func.now() - VIEW_AGAIN_AFTER,
    )
    if session.connection.execute(recent.limit(1)).first() is None:
        glass = is_break_glass(session, entry)
        row = {"entry": entry.id, "actor": person.subject, "actor_name": person.name, "break_glass": glass}
        session.connection.execute(insert(tables.views).values(row))


def is_break_glass(session: Session, entry: Entry) -> bool:
    """Return whether the person sees an entry by break-glass alone."""
    return entry.unit not in session.person.units


def colleagues(connection: Connection, unit: str) -> list[Colleague]:
    """Return the coordinators to whom an entry of a unit can be assigned."""
    rows = connection.execute(
        text("SELECT subject, name FROM care.worklist_colleagues(:unit) ORDER BY name, subject"), {"unit": unit}
    )
    return [Colleague(*row) for row in rows]


def break_glass_report(connection: Connection) -> Sequence[Row[Any]]:
    """Return openings by break-glass that the person may see, newest first; without a patient's identity."""
    return connection.execute(select(tables.break_glass).order_by(tables.break_glass.c.id.desc()).limit(200)).all()


_NEWEST = (
    select(tables.scores.c.scored_at, tables.scores.c.content)
    .where(tables.scores.c.entry == tables.entries.c.id)
    .order_by(tables.scores.c.scored_at.desc(), tables.scores.c.id.desc())
    .limit(1)
    .lateral("newest")
)


def _entries() -> Select[Any]:
    return select(tables.entries, _NEWEST.c.scored_at, _NEWEST.c.content).join(_NEWEST, true())


def _shown(session: Session, show: str, unit: str) -> ColumnElement[bool]:
    columns = tables.entries.c
    condition = {
        "mine": and_(columns.closed_at.is_(None), columns.assignee == session.person.subject),
        "unclaimed": and_(columns.closed_at.is_(None), columns.assignee.is_(None)),
        "closed": columns.closed_at.is_not(None),
    }.get(show, columns.closed_at.is_(None))
    return and_(condition, columns.unit == unit) if unit else condition


def _order() -> tuple[ColumnElement[Any], ...]:
    status = _NEWEST.c.content["status"].astext
    measure = case((status == "scored", _NEWEST.c.content["risk"].astext), else_=_NEWEST.c.content["lace"].astext)
    return (
        case((status == "not-scored", 0), (status == "fallback", 1), else_=2),
        case((tables.entries.c.priority == "raised", 0), (tables.entries.c.priority == "lowered", 2), else_=1),
        cast(measure, Double).desc().nulls_first(),
        tables.entries.c.discharged_at,
        tables.entries.c.id,
    )


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        id=row.id,
        encounter=row.encounter,
        unit=row.unit,
        discharged_at=row.discharged_at,
        version=row.version,
        assignee=row.assignee,
        assignee_name=row.assignee_name,
        due_on=row.due_on,
        priority=row.priority,
        closed_at=row.closed_at,
        outcome=row.outcome,
        newest=_score(row.scored_at, row.content),
    )


def _score(at: datetime, content: object) -> DatedScore:
    return DatedScore(at, Score.model_validate_json(json.dumps(content)))
