"""Routes of the worklist."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from services.care.worklist import entries, forms, lists, patient, placements, sessions, tokens
from services.care.worklist.actions import ACTIONS
from services.care.worklist.entries import UnknownEntryError
from services.care.worklist.ports import Audit, Facts, Identities, Launches, Scores
from services.care.worklist.sessions import Session, SessionEndedError
from services.care.worklist.settings import WorklistSettings
from services.care.worklist.web import HEADERS, HERE, Answer, Refusal, Worklist, bearer, log, redirect
from services.database import signing_keys

STATIC = {"worklist.css": "text/css", "worklist.js": "text/javascript", "icon.svg": "image/svg+xml"}
TOO_LARGE = Refusal(
    413, "The text is too long", "Nothing was saved: go back, shorten the text to 4,000 characters, and send it again."
)
UNREADABLE = Refusal(400, "The form could not be read", "Open the page again and repeat it; nothing was changed.")
NOT_FOUND = Refusal(404, "No such page", "Go back to the worklist.")
Work = Callable[[Session, dict[str, str]], Answer]


def router(
    settings: WorklistSettings,
    database: Engine,
    identities: Identities,
    scores: Scores,
    audit: Audit,
    *,
    launches: Launches | None = None,
    keys: tokens.Keys | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> APIRouter:
    """Return the routes of a hospital's worklist, under ``/worklist``.

    Parameters
    ----------
    settings : WorklistSettings
        The hospital, its identity provider and its time zone.
    database : Engine
        The database care, with the login of care's service.
    identities, scores : Identities, Scores
        The identity lookup, and planning.
    audit : Audit
        Puts each request on record.
    launches : Launches, optional
        Launches from the EHR; without, their address is unknown.
    keys : Keys, optional
        Keys of the identity provider; fetched from it by default.
    clock : callable, optional
        Returns the time.
    """
    provider = keys or tokens.Keys(lambda: signing_keys.fetch(settings.issuer, settings.ca))
    worklist = Worklist(settings, database, identities, scores, audit, provider, clock)
    worklist_routes = APIRouter(prefix="/worklist", include_in_schema=False)
    _pages(worklist_routes, worklist)
    _forms(worklist_routes, worklist)
    _session_forms(worklist_routes, worklist)
    if launches is not None:
        _launched(worklist_routes, worklist, launches)
    return worklist_routes


def _pages(made: APIRouter, worklist: Worklist) -> None:
    @made.get("")
    def listing(
        request: Request, show: str = "open", unit: str = "", page: str = "1", done: Annotated[str, Query()] = ""
    ) -> Response:
        message = ACTIONS[done].done if done in ACTIONS else ""
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
        return worklist.answer(
            request,
            lambda session: lists.listing(worklist, session, show=show, unit=unit, page=number, done=message),
        )

    @made.get("/print")
    def printed(request: Request, unit: str = "") -> Response:
        return worklist.answer(request, lambda session: lists.printed(worklist, session, unit=unit))

    @made.get("/readmissions")
    def readmissions(request: Request) -> Response:
        return worklist.answer(request, lambda session: lists.report(worklist, session))

    @made.get("/break-glass")
    def break_glass(request: Request) -> Response:
        return worklist.answer(request, lambda session: lists.break_glass(worklist, session))

    @made.get("/entries/{entry}")
    def one(request: Request, entry: str, done: str = "") -> Response:
        return worklist.answer(
            request, lambda session: patient.show(worklist, session, entries.one(session, entry), done=done)
        )

    @made.get("/static/{name}")
    def static(request: Request, name: str) -> Response:
        if name not in STATIC:
            return worklist.refuse(request, NOT_FOUND)
        worklist.audit(request, Facts(action="static"), 200)
        headers = HEADERS | {"Cache-Control": "max-age=300"}
        return Response((HERE / "static" / name).read_bytes(), media_type=STATIC[name], headers=headers)


def _launched(made: APIRouter, worklist: Worklist, launches: Launches) -> None:
    @made.get("/launch/{ticket}")
    def launched(request: Request, ticket: str) -> Response:
        def work(session: Session) -> Answer:
            opened = launches.opened(ticket)
            entry = entries.of_launch(session, opened) if opened else None
            if entry is None:
                raise UnknownEntryError
            return Answer(redirect(f"/worklist/entries/{entry.id}"), Facts(encounter=entry.encounter, action="launch"))

        return worklist.answer(request, work)


def _forms(made: APIRouter, worklist: Worklist) -> None:
    @made.post("/search")
    async def search(request: Request) -> Response:
        def work(session: Session, fields: dict[str, str]) -> Answer:
            wanted = fields.get("search", "").strip()[:100]
            show, unit = fields.get("show", "open"), fields.get("unit", "")
            return lists.listing(worklist, session, show=show, unit=unit, page=1, search=wanted or None)

        return await _answer_form(worklist, request, work)

    @made.post("/break-glass")
    async def open_by_break_glass(request: Request) -> Response:
        return await _answer_form(
            worklist, request, lambda session, fields: lists.open_by_break_glass(worklist, session, fields)
        )

    @made.post("/entries/{entry}/{action}")
    async def act(request: Request, entry: str, action: str) -> Response:
        def work(session: Session, fields: dict[str, str]) -> Answer:
            if action not in ACTIONS:
                raise UnknownEntryError
            return patient.act(worklist, session, entries.one(session, entry), action, fields)

        response = await _answer_form(worklist, request, work, draft=f"{entry}/{action}")
        if action == "override" and response.status_code == 303:
            await run_in_threadpool(_send_feedback, worklist)
        return response


def _session_forms(made: APIRouter, worklist: Worklist) -> None:
    @made.post("/drafts")
    async def save_draft(request: Request) -> Response:
        return await _answer_form(
            worklist, request, lambda session, fields: patient.save_draft(worklist, session, fields)
        )

    @made.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        def work(session: Session, _fields: dict[str, str]) -> Answer:
            sessions.end(session)
            return Answer(redirect(worklist.settings.sign_out), Facts(action="sign-out"))

        return await _answer_form(worklist, request, work)


async def _answer_form(worklist: Worklist, request: Request, work: Work, *, draft: str = "") -> Response:
    """Answer a form that this session sent out; if the session has ended, keep the typed text for the next one."""
    try:
        fields = forms.parse(await _body(request))
    except forms.BodyTooLargeError:
        return await run_in_threadpool(worklist.refuse, request, TOO_LARGE)
    except forms.InvalidFormError:
        return await run_in_threadpool(worklist.refuse, request, UNREADABLE)

    def checked(session: Session) -> Answer:
        _check_site(request)
        forms.check_token(session.form_key, fields.get(forms.TOKEN, ""))
        return work(session, fields)

    def ended(cause: Exception) -> None:
        _keep(worklist, request, fields, draft, cause)

    return await run_in_threadpool(worklist.answer, request, checked, ended)


def _check_site(request: Request) -> None:
    """Refuse a form that a browser says another site sent."""
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise forms.BadTokenError


def _keep(worklist: Worklist, request: Request, fields: dict[str, str], draft: str, cause: Exception) -> None:
    """Keep the text of a form whose session has ended."""
    note = fields.get("note", "")[: forms.LONGEST_DRAFT]
    entry, _, action = draft.partition("/")
    if action not in ACTIONS or not note.strip():
        return
    try:
        draft = f"{UUID(entry)}/{action}"
        _check_site(request)
        if isinstance(cause, SessionEndedError):
            forms.check_token(cause.form_key, fields.get(forms.TOKEN, ""))
        sessions.keep_draft(worklist.database, bearer(request), draft, note)
    except (ValueError, forms.BadTokenError, SQLAlchemyError):
        return


async def _body(request: Request) -> bytes:
    """Return the body of a form, read no further than a form may be."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > forms.LARGEST_BODY:
            raise forms.BodyTooLargeError
    return bytes(body)


def _send_feedback(worklist: Worklist) -> None:
    try:
        placements.send_feedback(worklist.database, worklist.scores, log.warning)
    except SQLAlchemyError:
        log.warning("The overrides wait in the database: it does not answer")
