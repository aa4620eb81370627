"""Forms: tokens, which prove that the session sent them out and make a second copy harmless; drafts of their text.

A draft is text that a person typed and has not sent, kept in care's database until they send it.
"""

import secrets
from urllib.parse import parse_qsl

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from services.care.worklist import tables
from services.care.worklist.sessions import Session

LARGEST_BODY = 64 * 1024
"""Bytes of a form: 4,000 characters take at most 48,000 encoded."""
TOKEN = "form_token"
LONGEST_DRAFT = 4000


class InvalidFormError(Exception):
    """Invalid input of a form; the message names the field and never repeats its value."""


class BadTokenError(Exception):
    """A form that this session did not send out."""


class BodyTooLargeError(Exception):
    """A form larger than any that the pages can send."""


def new_token(form_key: str) -> str:
    """Return a token for a form, signed with the session's key."""
    return str(_serializer(form_key).dumps(secrets.token_urlsafe(18)))


def check_token(form_key: str, token: str) -> str:
    """Return the nonce of a token.

    Raises
    ------
    BadTokenError
        If the session did not issue it.
    """
    try:
        nonce = _serializer(form_key).loads(token)
    except BadData:
        raise BadTokenError from None
    if not isinstance(nonce, str):
        raise BadTokenError
    return nonce


def first_time(session: Session, nonce: str) -> bool:
    """Note that a form was sent, in the transaction of its effect; return whether it is the first time."""
    statement = insert(tables.forms).values(nonce=nonce, actor=session.person.subject)
    result = session.connection.execute(statement.on_conflict_do_nothing().returning(tables.forms.c.nonce))
    return result.one_or_none() is not None


def was_sent(session: Session, nonce: str) -> bool:
    """Return whether a form was sent: a draft of it that comes later is of text that is saved."""
    statement = select(tables.forms.c.nonce).where(tables.forms.c.nonce == nonce)
    return session.connection.execute(statement).one_or_none() is not None


def parse(body: bytes) -> dict[str, str]:
    """Return the fields of a form; of a repeated field the last.

    Raises
    ------
    BodyTooLargeError
        If the form is larger than any that the pages send.
    InvalidFormError
        If it is not a form.
    """
    if len(body) > LARGEST_BODY:
        raise BodyTooLargeError
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=40, errors="strict")
    except ValueError:
        raise InvalidFormError("The form could not be read; open the page again and repeat it.") from None
    # PostgreSQL stores no NUL in text.
    return {name: value.replace("\r\n", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}") for name, value in pairs}


def save_draft(session: Session, form: str, content: str) -> None:
    """Keep the text of a form; empty text deletes the draft."""
    if not content.strip():
        discard_draft(session, form)
        return
    statement = insert(tables.drafts).values(actor=session.person.subject, form=form, content=content)
    session.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["actor", "form"], set_={"content": statement.excluded.content, "at": func.now()}
        )
    )


def drafts_of(session: Session, entry: str) -> dict[str, str]:
    """Return the person's drafts of an entry, by action."""
    columns = tables.drafts.c
    statement = select(columns.form, columns.content).where(
        columns.actor == session.person.subject, columns.form.startswith(f"{entry}/", autoescape=True)
    )
    return {row.form.partition("/")[2]: row.content for row in session.connection.execute(statement)}


def discard_draft(session: Session, form: str) -> None:
    """Delete a draft, in the transaction in which its text was saved."""
    columns = tables.drafts.c
    session.connection.execute(
        delete(tables.drafts).where(columns.actor == session.person.subject, columns.form == form)
    )


def _serializer(form_key: str) -> URLSafeSerializer:
    return URLSafeSerializer(form_key, salt="worklist-form")
