"""Forms: their tokens, which prove that the session sent them out and make a second copy harmless."""

import secrets
from urllib.parse import parse_qsl

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy.dialects.postgresql import insert

from services.care.worklist import tables
from services.care.worklist.sessions import Session

LARGEST_BODY = 64 * 1024
"""Bytes of a form: 4,000 characters take at most 48,000 encoded."""
TOKEN = "form_token"


class InvalidFormError(Exception):
    """What a person has to correct; the message names the field and never repeats its value."""


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
    return {name: value.replace("\r\n", "\n") for name, value in pairs}


def _serializer(form_key: str) -> URLSafeSerializer:
    return URLSafeSerializer(form_key, salt="worklist-form")
