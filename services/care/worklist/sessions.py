"""Transactions of a person: the database verifies their token before it shows a row, in each of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from services.care.worklist.tokens import Person, RefusedTokenError
from services.database.schemas import role_name

COORDINATOR = "coordinator"


class SessionEndedError(Exception):
    """The session ended: no activity for too long, a sign-out, or its longest time; the person signs in again.

    Parameters
    ----------
    form_key : str
        Key of the forms that the session sent out.
    """

    def __init__(self, form_key: str) -> None:
        super().__init__("Your session has ended. Sign in again.")
        self.form_key = form_key


@dataclass(frozen=True)
class Session:
    """A transaction in which a person's rows are visible.

    Parameters
    ----------
    connection : Connection
        The transaction; it is committed when the context ends without an exception.
    person : Person
        As the database verified them.
    purpose : str
        Purpose of use that the database derived from the person's roles.
    form_key : str
        Secret key of this session's forms.
    ends : datetime
        When the session ends without further activity.
    """

    connection: Connection
    person: Person
    purpose: str
    form_key: str
    ends: datetime


@contextmanager
def transaction(database: Engine, hospital: str, token: str) -> Iterator[Session]:
    """Open a transaction for the person of an access token.

    Raises
    ------
    SessionEndedError
        If the session ended.
    RefusedTokenError
        If the database does not accept the token.
    """
    with database.connect() as connection:
        connection.execute(text(f'SET LOCAL ROLE "{role_name(hospital, COORDINATOR)}"'))
        row = connection.execute(text("SELECT * FROM care.worklist_begin(:token)"), {"token": token}).one()
        if row.state != "open":
            connection.commit()
            if row.state == "ended":
                raise SessionEndedError(row.form_key)
            raise RefusedTokenError("Sign in again: the database does not accept the access token.")
        person = Person(row.subject, row.name, tuple(row.units), tuple(row.roles))
        yield Session(connection, person, row.purpose, row.form_key, row.ends)
        connection.commit()


def end(session: Session) -> None:
    """End a person's session; the same sign-in opens none again."""
    session.connection.execute(text("SELECT care.worklist_end()"))


def keep_draft(database: Engine, token: str, form: str, content: str) -> bool:
    """Keep typed text of a person whose session has ended, for their next one; return whether it was kept."""
    with database.begin() as connection:
        kept = connection.scalar(
            text("SELECT care.worklist_keep_draft(:token, :form, :content)"),
            {"token": token, "form": form, "content": content},
        )
    return bool(kept)
