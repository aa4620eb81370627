"""The page of one patient, and the actions on it."""

from collections.abc import Mapping

from fastapi import Response

from services.care.worklist import codes, entries, forms
from services.care.worklist.actions import ACTIONS, LONGEST_NOTE, ConflictError
from services.care.worklist.entries import Entry, UnknownEntryError
from services.care.worklist.forms import InvalidFormError
from services.care.worklist.lists import reveal
from services.care.worklist.ports import Facts, PastScore, ScoresUnavailableError
from services.care.worklist.sessions import Session
from services.care.worklist.web import HEADERS, Answer, Worklist, redirect
from services.planning import feedback

BREAK_GLASS_DONE = "You opened this patient by break-glass for one hour. This is recorded, and reported to the unit."


def show(
    worklist: Worklist,
    session: Session,
    entry: Entry,
    *,
    done: str = "",
    alert: str = "",
    status: int = 200,
    typed: Mapping[str, str] | None = None,
    action: str = "open",
) -> Answer:
    """Return the patient's page, and record that the person looked."""
    identities = reveal(worklist, session, [entry])
    entries.record_view(session, entry)
    kept = forms.drafts_of(session, entry.id)
    history: tuple[PastScore, ...] | None
    try:
        history = worklist.scores.history(entry.encounter)
    except ScoresUnavailableError:
        history = None
    latest = entry.newest
    response = worklist.page(
        "patient",
        session,
        status=status,
        entry=entry,
        identity=(identities or {}).get(entry.encounter),
        named=identities is not None,
        break_glass=entries.is_break_glass(session, entry),
        stale=latest.is_stale(worklist.clock(), codes.read().stale_after_hours),
        age=latest.data_age_hours(worklist.clock()),
        scores=entries.scores(session.connection, entry),
        history=history,
        events=entries.events(session.connection, entry),
        views=entries.views(session.connection, entry),
        colleagues=entries.colleagues(session.connection, entry.unit),
        drafts={**kept, **(typed or {})},
        restored=bool(kept) and not typed,
        done=BREAK_GLASS_DONE if done == "break-glass" else ACTIONS[done].done if done in ACTIONS else "",
        alert=alert,
        longest=LONGEST_NOTE,
    )
    detail = "break-glass" if entries.is_break_glass(session, entry) else None
    return Answer(response, Facts(encounter=entry.encounter, action=action, detail=detail))


def act(worklist: Worklist, session: Session, entry: Entry, action: str, fields: dict[str, str]) -> Answer:
    """Do what a form says, once, and return to the page; a conflict or a mistake shows the page with the typed text."""
    nonce = forms.check_token(session.form_key, fields.get(forms.TOKEN, ""))
    facts = Facts(encounter=entry.encounter, action=action, detail=_code(fields))
    back = redirect(f"/worklist/entries/{entry.id}?done={action}")
    today = worklist.clock().astimezone(worklist.zone).date()
    try:
        with session.connection.begin_nested():
            if not forms.first_time(session, nonce):
                return Answer(back, facts)
            ACTIONS[action].run(session, entry, fields, today)
            forms.discard_draft(session, f"{entry.id}/{action}")
    except ConflictError as fault:
        return _again(worklist, session, entry, action, fields, str(fault), 409)
    except InvalidFormError as fault:
        return _again(worklist, session, entry, action, fields, str(fault), 422)
    return Answer(back, facts)


def save_draft(worklist: Worklist, session: Session, fields: dict[str, str]) -> Answer:
    """Keep the text of a field while it is typed."""
    name, _, action = fields.get("form", "").partition("/")
    if action not in ACTIONS:
        raise UnknownEntryError
    entry = entries.one(session, name)
    if not forms.was_sent(session, forms.check_token(session.form_key, fields.get(forms.TOKEN, ""))):
        forms.save_draft(session, f"{entry.id}/{action}", fields.get("note", "")[: forms.LONGEST_DRAFT])
    left = max(0, int((session.ends - worklist.clock()).total_seconds()))
    headers = HEADERS | {"Session-Seconds": str(left)}
    return Answer(Response(status_code=204, headers=headers), Facts(encounter=entry.encounter, action="draft"))


def _again(
    worklist: Worklist, session: Session, entry: Entry, action: str, fields: Mapping[str, str], alert: str, status: int
) -> Answer:
    typed = {action: fields["note"]} if fields.get("note") else {}
    current = entries.one(session, entry.id)
    answer = show(worklist, session, current, alert=alert, status=status, typed=typed, action=action)
    return Answer(answer.response, Facts(encounter=entry.encounter, action=action, outcome="refused"))


def _code(fields: Mapping[str, str]) -> str | None:
    """Return the code of a form for the record, if the table has it: what people type is not recorded."""
    table = codes.read()
    known_codes = {*table.interventions, *table.contacts, *table.outcomes, *feedback.overrides()}
    return fields["code"] if fields.get("code") in known_codes else None
