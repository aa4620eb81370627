"""Handling of the worklist's requests: authentication, one transaction, one audit record, and pages for refusals."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from model.definitions.features import definitions
from model.io.database import sqlstate
from services.care.worklist import codes, forms, sessions, tokens, words
from services.care.worklist.entries import UnknownEntryError
from services.care.worklist.ports import Audit, Facts, Identities, Scores
from services.care.worklist.sessions import Session, SessionEndedError
from services.care.worklist.settings import WorklistSettings
from services.database.errors import DatabaseError

HERE = Path(__file__).parent
WORKFLOW = "discharge-worklist"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
ENDED = "Your session has ended. Sign in again; what you typed is kept where a page said so."

log = logging.getLogger("services.care.worklist")


@dataclass(frozen=True)
class Refusal:
    """A page that refuses, in one sentence."""

    status: int
    title: str
    detail: str
    sign_in: bool = False


@dataclass
class Answer:
    """A page, and what its record says."""

    response: Response
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True)
class Worklist:
    """The worklist of one hospital.

    Parameters
    ----------
    settings : WorklistSettings
        Its settings.
    database : Engine
        The database care, with the login of care's service.
    identities : Identities
        The identity lookup.
    scores : Scores
        Planning.
    audit : Audit
        Puts a request on record.
    keys : Keys
        Keys of the identity provider.
    clock : callable
        Returns the time.
    """

    settings: WorklistSettings
    database: Engine
    identities: Identities
    scores: Scores
    audit: Audit
    keys: tokens.Keys
    clock: Callable[[], datetime]

    @cached_property
    def zone(self) -> ZoneInfo:
        """The hospital's time zone."""
        return self.settings.zone

    @cached_property
    def templates(self) -> Environment:
        """The templates; an undefined name is an error, and every value is escaped."""
        environment = Environment(
            loader=PackageLoader("services.care.worklist"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= words.filters(self.zone)
        environment.globals |= {
            "codes": codes.read(),
            "settings": self.settings,
            "return_days": definitions().stay.return_days,
        }
        return environment

    def page(self, name: str, session: Session | None, *, status: int = 200, **values: Any) -> HTMLResponse:
        """Render a page."""
        now = self.clock()
        shared = {
            "session": session,
            "now": now,
            "today": now.astimezone(self.zone).date(),
            "form_token": (lambda: forms.new_token(session.form_key)) if session else (lambda: ""),
        }
        text = self.templates.get_template(f"{name}.html").render(shared | values)
        return HTMLResponse(text, status, headers=HEADERS)

    def answer(
        self,
        request: Request,
        work: Callable[[Session], Answer],
        ended: Callable[[Exception], None] = lambda _fault: None,
    ) -> Response:
        """Answer a request of a person: verify who it is, work in one transaction, record, commit.

        Parameters
        ----------
        request : Request
            The request; its bearer token says who asks.
        work : callable
            Returns the answer for the person's transaction, which is rolled back if it raises.
        ended : callable
            Called with the cause if the session has ended, before the refusal.
        """
        facts = Facts(outcome="refused")
        try:
            token = bearer(request)
            person = tokens.verify(token, self.settings, self.keys)
            facts = replace(facts, caller=person.subject, caller_role=person.role)
            with sessions.transaction(self.database, self.settings.hospital, token) as session:
                facts = replace(facts, purpose=session.purpose)
                answer = work(session)
                known = replace(answer.facts, caller=person.subject, caller_role=person.role, purpose=session.purpose)
                self.audit(request, known, answer.response.status_code)
            return answer.response
        except (tokens.RefusedTokenError, SessionEndedError, UnknownEntryError, forms.BadTokenError) as fault:
            if isinstance(fault, SessionEndedError | tokens.ExpiredTokenError):
                ended(fault)
            refusal = _refusal(fault)
        except (SQLAlchemyError, DatabaseError) as fault:
            log.error("The worklist's database does not answer (SQLSTATE %s)", sqlstate(fault))
            refusal = Refusal(503, "The worklist is not available", "Use the printed list, and try again in a minute.")
        return self.refuse(request, refusal, facts)

    def refuse(self, request: Request, refusal: Refusal, facts: Facts | None = None) -> Response:
        """Answer with a refusal, and put it on record."""
        facts = replace(facts or Facts(), outcome="refused")
        self.audit(request, facts, refusal.status)
        response = self.page("refusal", None, status=refusal.status, refusal=refusal)
        if refusal.status == 503:
            response.headers["Retry-After"] = "60"
        return response


def bearer(request: Request) -> str:
    """Return the access token of a request.

    Raises
    ------
    RefusedTokenError
        If it has none.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise tokens.RefusedTokenError("Sign in to see the worklist.")
    return token.strip()


def redirect(path: str) -> RedirectResponse:
    """Return the answer to a form that had its effect: the browser gets the page anew (POST, redirect, GET)."""
    return RedirectResponse(path, 303, headers=HEADERS)


def _refusal(fault: Exception) -> Refusal:
    if isinstance(fault, tokens.RefusedTokenError):
        second_factor = "second factor" in str(fault)
        return Refusal(403 if second_factor else 401, "Sign in", str(fault), sign_in=True)
    if isinstance(fault, SessionEndedError):
        return Refusal(401, "Your session has ended", ENDED, sign_in=True)
    if isinstance(fault, forms.BadTokenError):
        return Refusal(
            403, "The form is not of this session", "Open the page again and repeat it; nothing was changed."
        )
    return Refusal(
        404, "No such patient on your list", "The patient is not on the list, or belongs to a unit that is not yours."
    )
