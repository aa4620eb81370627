"""Pages of several patients: the list, its search, the printed list, readmissions, break-glass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import text

from services.care.worklist import codes, entries, forms, reports
from services.care.worklist.entries import Entry
from services.care.worklist.ports import Access, Facts, IdentitiesUnavailableError, Identity
from services.care.worklist.sessions import Session
from services.care.worklist.web import Answer, Worklist, redirect

PAGE = 50
SHOWS = {"open": "Open", "mine": "Mine", "unclaimed": "Unclaimed", "closed": "Closed"}
GROUPS = ("not-scored", "fallback", "scored")
SHORTEST_REASON, LONGEST_REASON = 10, 1000


@dataclass(frozen=True)
class Row:
    """An entry with the identity of its patient, if the lookup has it."""

    entry: Entry
    identity: Identity | None
    stale: bool
    break_glass: bool


def access(session: Session, *, break_glass: bool = False) -> Access:
    """Return who asks for identities."""
    return Access(session.person.subject, session.person.role, session.purpose, break_glass)


def reveal(worklist: Worklist, session: Session, shown: Sequence[Entry]) -> Mapping[str, Identity] | None:
    """Return the identities of entries; none if the lookup does not answer.

    Those that the person sees by break-glass are asked for apart, so that their record says so.
    """
    identities: dict[str, Identity] = {}
    for break_glass in (False, True):
        encounters = [entry.encounter for entry in shown if entries.is_break_glass(session, entry) == break_glass]
        if encounters:
            try:
                identities |= worklist.identities.reveal(encounters, access(session, break_glass=break_glass))
            except IdentitiesUnavailableError:
                return None
    return identities


def rows(worklist: Worklist, session: Session, shown: Sequence[Entry]) -> tuple[list[Row], bool]:
    """Return the rows of entries, and whether the identity lookup answered."""
    identities = reveal(worklist, session, shown)
    now, limit = worklist.clock(), codes.read().stale_after_hours
    listed = [
        Row(
            entry,
            (identities or {}).get(entry.encounter),
            entry.newest.is_stale(now, limit),
            entries.is_break_glass(session, entry),
        )
        for entry in shown
    ]
    return listed, identities is not None


def listing(
    worklist: Worklist, session: Session, *, show: str, unit: str, page: int, done: str = "", search: str | None = None
) -> Answer:
    """Return a page of the list, or what a search found."""
    show = show if show in SHOWS else "open"
    unit = unit if unit in session.person.units else ""
    total = entries.count(session, show=show, unit=unit)
    pages = max(1, -(-total // PAGE))
    page = min(max(1, page), pages)
    if search is None:
        shown = entries.listed(session, show=show, unit=unit, first=(page - 1) * PAGE, most=PAGE)
    else:
        shown = entries.listed(session, show=show, unit=unit)
    listed, named = rows(worklist, session, shown)
    if search is not None:
        listed = [row for row in listed if _matches(row, search)]
    response = worklist.page(
        "list",
        session,
        groups=[(group, [row for row in listed if row.entry.newest.score.status == group]) for group in GROUPS],
        show=show,
        shows=SHOWS,
        unit=unit,
        page=page,
        pages=pages,
        total=len(listed) if search is not None else total,
        searched=min(total, entries.MOST_ENTRIES) if total > entries.MOST_ENTRIES else None,
        search=search,
        named=named,
        done=done,
    )
    return Answer(response, Facts(encounters=tuple(row.entry.encounter for row in listed), action="list"))


def printed(worklist: Worklist, session: Session, *, unit: str) -> Answer:
    """Return the list for paper: all open entries, with room to write."""
    unit = unit if unit in session.person.units else ""
    listed, named = rows(worklist, session, entries.listed(session, unit=unit))
    total = entries.count(session, unit=unit)
    response = worklist.page("print", session, rows=listed, unit=unit, named=named, total=total)
    return Answer(response, Facts(encounters=tuple(row.entry.encounter for row in listed), action="print-list"))


def report(worklist: Worklist, session: Session) -> Answer:
    """Return readmissions by intervention and unit."""
    response = worklist.page("readmissions", session, rows=reports.readmissions(session), fewest=reports.FEWEST)
    return Answer(response, Facts(action="readmissions-report"))


def break_glass(worklist: Worklist, session: Session, *, alert: str = "", status: int = 200, typed: str = "") -> Answer:
    """Return the page that opens a patient of another unit, and lists who did so."""
    report_rows = entries.break_glass_report(session.connection)
    response = worklist.page(
        "break_glass", session, status=status, rows=report_rows, alert=alert, typed=typed, longest=LONGEST_REASON
    )
    return Answer(response, Facts(action="break-glass-report"))


def open_by_break_glass(worklist: Worklist, session: Session, fields: Mapping[str, str]) -> Answer:
    """Open a patient of another unit for an hour: recorded, marked on the patient's page, and reported."""
    nonce = forms.check_token(session.form_key, fields.get(forms.TOKEN, ""))
    code, reason = fields.get("code", ""), fields.get("reason", "").strip()
    record_number = fields.get("record_number", "").strip()
    fault = ""
    if "coordinator" not in session.person.roles:
        fault = "Only a coordinator can open a patient of another unit."
    elif code not in codes.read().break_glass or not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        fault = f"Choose a reason, and describe it in {SHORTEST_REASON} to {LONGEST_REASON:,} characters."
    elif not 1 <= len(record_number) <= 60:
        fault = "Enter the record number."
    if fault:
        return _refused_opening(worklist, session, fault, reason)
    try:
        encounters = worklist.identities.find(record_number, access(session, break_glass=True))
    except IdentitiesUnavailableError:
        return _refused_opening(worklist, session, "The identity lookup does not answer; try again.", reason, 503)
    if not forms.first_time(session, nonce):
        return Answer(redirect("/worklist/break-glass"), Facts(action="break-glass", detail="repeated"))
    statement = text("SELECT care.worklist_break_glass_open(:encounter, :code, :reason)")
    for encounter in encounters:
        opened = session.connection.scalar(statement, {"encounter": encounter, "code": code, "reason": reason})
        if opened is not None:
            facts = Facts(encounter=encounter, action="break-glass", detail=code)
            return Answer(redirect(f"/worklist/entries/{opened}?done=break-glass"), facts)
    return _refused_opening(worklist, session, "No patient on the worklist has this record number.", reason, 404)


def _refused_opening(worklist: Worklist, session: Session, fault: str, reason: str, status: int = 422) -> Answer:
    answer = break_glass(worklist, session, alert=fault, status=status, typed=reason)
    return replace(answer, facts=Facts(action="break-glass", outcome="refused"))


def _matches(row: Row, search: str) -> bool:
    wanted = search.casefold().split()
    identity = row.identity
    parts = (
        row.entry.unit,
        row.entry.assignee_name or "",
        identity.name if identity else "",
        identity.record_number if identity else "",
    )
    text_of_row = " ".join(parts).casefold()
    return all(word in text_of_row for word in wanted)
