"""SMART App Launch of the worklist from an EHR (EHR launch, https://hl7.org/fhir/smart-app-launch/app-launch.html).

The EHR says which patient and encounter a clinician has open; the worklist opens that entry. Who the clinician is comes
from the hospital's own sign-in, which demands a second factor, and never from the EHR: a launch alone shows nothing.
The launch is bound to the browser by a cookie, and its result is a ticket that is good once and for some minutes.
"""

import base64
import hashlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode, urlsplit

import httpx
import sqlalchemy as sa
from fastapi import APIRouter, Cookie, Query, Request
from fastapi.responses import RedirectResponse

from model.errors import UserError
from services.audit.http import audit
from services.care.context import RETRY, Care
from services.care.ehr_clients import EhrClient, SmartLaunch
from services.care.tables import LAUNCH, LAUNCHED
from services.problems import Problem

WORKFLOW, PURPOSE = "discharge-worklist", "TREAT"
LAUNCH_LIFE = timedelta(minutes=10)
TICKET_LIFE = timedelta(minutes=5)
TIMEOUT_SECONDS = 5.0
COOKIE = "__Host-launch"
LANDING = "/worklist/launch"
REFUSED = "Launch refused"
EHR_FAILED = "EHR does not answer"
# The EHR may say anything here; only these names are logged or shown.
OAUTH_ERRORS = frozenset(
    {
        "invalid_request",
        "unauthorized_client",
        "access_denied",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
    }
)

log = logging.getLogger("services.care")


@dataclass(frozen=True)
class Endpoints:
    """Endpoints of an EHR's authorization server."""

    authorize: str
    token: str


@dataclass(frozen=True)
class Opened:
    """Patient and encounter that a clinician had open in the EHR, by pseudonym."""

    patient: str
    encounter: str | None


def router(care: Care) -> APIRouter:
    """Return the routes of the launch."""
    routes = APIRouter(tags=["smart"])
    responses: dict[int | str, dict[str, object]] = {
        400: {"description": "The launch is unknown, over or of another browser; launch again from the EHR."},
        502: {"description": "The EHR refused, or does not answer."},
    }

    @routes.get("/launch", responses=responses, status_code=303, summary="EHR launch")
    def launch(
        request: Request,
        iss: Annotated[str, Query(max_length=500)],
        launch: Annotated[str, Query(min_length=1, max_length=2000)],
    ) -> RedirectResponse:
        """Begin a launch: send the browser to the EHR's authorization server."""
        audit(request).note(workflow=WORKFLOW, purpose=PURPOSE, action="launch")
        client, smart = _registered(care, iss)
        audit(request).note(caller=client.name, caller_role="ehr")
        endpoints = _endpoints(care, smart)
        state, verifier, browser = (secrets.token_urlsafe(48) for _ in range(3))
        with care.transaction() as connection:
            connection.execute(sa.delete(LAUNCH).where(LAUNCH.c.expires_at < care.clock()))
            connection.execute(
                sa.insert(LAUNCH).values(
                    state=_digest(state),
                    browser=_digest(browser),
                    iss=smart.iss,
                    verifier=verifier,
                    expires_at=care.clock() + LAUNCH_LIFE,
                )
            )
        query = {
            "response_type": "code",
            "client_id": smart.client_id,
            "redirect_uri": _callback(care),
            "scope": smart.scope,
            "state": state,
            "aud": iss,
            "launch": launch,
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
        }
        separator = "&" if urlsplit(endpoints.authorize).query else "?"
        answer = _redirect(f"{endpoints.authorize}{separator}{urlencode(query)}")
        answer.set_cookie(
            COOKIE, browser, max_age=int(LAUNCH_LIFE.total_seconds()), secure=True, httponly=True, samesite="lax"
        )
        return answer

    @routes.get("/callback", responses=responses, status_code=303, summary="Return from the EHR")
    def callback(
        request: Request,
        state: Annotated[str, Query(max_length=500)],
        code: Annotated[str | None, Query(max_length=5000)] = None,
        error: Annotated[str | None, Query(max_length=200)] = None,
        browser: Annotated[str | None, Cookie(alias=COOKIE, max_length=200)] = None,
    ) -> RedirectResponse:
        """End a launch: redeem the code, and send the browser to the worklist."""
        audit(request).note(workflow=WORKFLOW, purpose=PURPOSE, action="launch")
        begun = _begun(care, state, browser)
        client, smart = _registered(care, begun.iss)
        audit(request).note(caller=client.name, caller_role="ehr")
        if error is not None or code is None:
            reason = error if error in OAUTH_ERRORS else "no code"
            raise Problem(502, REFUSED, f"The EHR refused the launch ({reason}); launch again from the EHR.")
        context = _redeemed(care, smart, code, begun.verifier)
        opened = _pseudonyms(care, context)
        audit(request).note(patient=opened.patient, encounter=opened.encounter)
        ticket = secrets.token_urlsafe(32)
        with care.transaction() as connection:
            connection.execute(sa.delete(LAUNCHED).where(LAUNCHED.c.expires_at < care.clock()))
            connection.execute(
                sa.insert(LAUNCHED).values(
                    ticket=_digest(ticket),
                    patient=opened.patient,
                    encounter=opened.encounter,
                    expires_at=care.clock() + TICKET_LIFE,
                )
            )
        answer = _redirect(f"{care.settings.address}{LANDING}/{ticket}")
        answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax")
        return answer

    return routes


def opened(connection: sa.Connection, ticket: str, care: Care) -> Opened | None:
    """Return what a ticket opens, once; nothing of one that is unknown, used or over."""
    gone = sa.delete(LAUNCHED).where(LAUNCHED.c.ticket == _digest(ticket))
    row = connection.execute(
        gone.returning(LAUNCHED.c.patient, LAUNCHED.c.encounter, LAUNCHED.c.expires_at)
    ).one_or_none()
    if row is None or row.expires_at < care.clock():
        return None
    return Opened(row.patient, row.encounter)


def challenge(verifier: str) -> str:
    """Return the PKCE challenge of a verifier (RFC 7636, S256)."""
    return base64.urlsafe_b64encode(_digest(verifier)).rstrip(b"=").decode()


@dataclass(frozen=True)
class _Begun:
    iss: str
    verifier: str


def _registered(care: Care, iss: str) -> tuple[EhrClient, SmartLaunch]:
    for client in care.settings.clients:
        if client.smart is not None and client.smart.iss.rstrip("/") == iss.rstrip("/"):
            return client, client.smart
    raise Problem(400, REFUSED, "The EHR (iss) of the launch is not registered at this service.")


def _endpoints(care: Care, smart: SmartLaunch) -> Endpoints:
    """Return the endpoints that the EHR publishes; both must be https."""
    configuration = _json(care, "GET", f"{smart.iss.rstrip('/')}/.well-known/smart-configuration")
    urls = [configuration.get(name) for name in ("authorization_endpoint", "token_endpoint")]
    if not all(isinstance(url, str) and urlsplit(url).scheme == "https" for url in urls):
        raise Problem(502, EHR_FAILED, "The EHR does not publish https endpoints for SMART; tell its administrator.")
    return Endpoints(str(urls[0]), str(urls[1]))


def _begun(care: Care, state: str, browser: str | None) -> _Begun:
    """Return a launch that this browser began, and end it: a state is good once."""
    with care.transaction() as connection:
        gone = sa.delete(LAUNCH).where(LAUNCH.c.state == _digest(state))
        row = connection.execute(gone.returning(*LAUNCH.c)).one_or_none()
    own = row is not None and browser is not None and secrets.compare_digest(row.browser, _digest(browser))
    if row is None or not own or row.expires_at < care.clock():
        detail = "The launch is unknown, over, or of another browser; launch again from the EHR."
        raise Problem(400, REFUSED, detail)
    return _Begun(row.iss, row.verifier)


def _redeemed(care: Care, smart: SmartLaunch, code: str, verifier: str) -> Mapping[str, object]:
    """Return the launch context that the token endpoint gives for a code; the token itself is not kept."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": _callback(care),
        "client_id": smart.client_id,
        "code_verifier": verifier,
    }
    return _json(care, "POST", _endpoints(care, smart).token, form)


def _json(care: Care, method: str, url: str, form: Mapping[str, str] | None = None) -> Mapping[str, object]:
    headers = {"Accept": "application/json"}
    try:
        answer = care.http.request(method, url, data=form, headers=headers, timeout=TIMEOUT_SECONDS)
        content = answer.json()
    except (httpx.HTTPError, ValueError, RecursionError) as fault:
        log.error("The EHR does not answer (%s)", type(fault).__name__)
        raise Problem(502, EHR_FAILED, "The EHR does not answer; launch again from the EHR.") from None
    if answer.status_code != httpx.codes.OK or not isinstance(content, dict):
        log.error("The EHR answered with status %s", answer.status_code)
        raise Problem(502, REFUSED, "The EHR refused the launch; launch again from the EHR.")
    return content


def _pseudonyms(care: Care, context: Mapping[str, object]) -> Opened:
    patient, encounter = context.get("patient"), context.get("encounter")
    if not isinstance(patient, str) or not isinstance(encounter, str | None):
        raise Problem(502, REFUSED, "The EHR names no patient; launch from a patient's page.")
    edition = care.history.edition()
    try:
        subject = care.features.subject(patient, care.features.ring(edition.key_version if edition else None))
    except UserError:
        log.error("Vault does not answer, or refuses the key of the hospital")
        raise Problem(503, "Key not available", "The key service does not answer; try again.", headers=RETRY) from None
    return Opened(
        subject.pseudonym("Patient", patient), None if encounter is None else subject.pseudonym("Encounter", encounter)
    )


def _callback(care: Care) -> str:
    return f"{care.settings.address}/callback"


def _redirect(url: str) -> RedirectResponse:
    # The address holds the launch or the ticket: nobody else is to learn it.
    return RedirectResponse(url, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
