"""Drafts: text that a person typed and has not sent, kept in care's database until they send or discard it."""

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from services.care.worklist import tables
from services.care.worklist.sessions import Session

LONGEST = 4000
LONGEST_FORM = 200


def save(session: Session, form: str, content: str) -> None:
    """Keep the text of a form; empty text deletes the draft."""
    if not content.strip():
        discard(session, form)
        return
    statement = insert(tables.drafts).values(actor=session.person.subject, form=form, content=content)
    session.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["actor", "form"], set_={"content": statement.excluded.content, "at": func.now()}
        )
    )


def of_entry(session: Session, entry: str) -> dict[str, str]:
    """Return the person's drafts of an entry, by action."""
    columns = tables.drafts.c
    statement = select(columns.form, columns.content).where(
        columns.actor == session.person.subject, columns.form.startswith(f"{entry}/", autoescape=True)
    )
    return {row.form.partition("/")[2]: row.content for row in session.connection.execute(statement)}


def discard(session: Session, form: str) -> None:
    """Delete a draft, in the transaction in which its text was saved."""
    columns = tables.drafts.c
    session.connection.execute(
        delete(tables.drafts).where(columns.actor == session.person.subject, columns.form == form)
    )
