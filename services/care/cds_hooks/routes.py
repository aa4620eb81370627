"""CDS Hooks 2.0: discovery, the hook ``encounter-discharge``, and feedback on its cards."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import insert
from starlette.concurrency import run_in_threadpool

from model.errors import UserError
from model.identity_store.identity_values import patient_values, stay_values
from model.identity_store.lookup import EHR, encrypted, write
from services.audit.http import RequestAudit, audit
from services.audit.records import ReleaseRef
from services.care.cds_hooks.cards import CardsResponse, card
from services.care.cds_hooks.departures import Departure, departure
from services.care.cds_hooks.ehr_tokens import Caller, authenticate
from services.care.context import RETRY, Care
from services.care.delivery import write_back
from services.care.delivery.outbox import FEEDBACK, RISK_ASSESSMENT, put
from services.care.fresh.features import FreshFeatures
from services.care.fresh.patient_record import PatientRecord, record_of
from services.care.hooks import SERVICE_ID, CardFeedback, FeedbackRequest, HookRequest, description
from services.care.planning_client import HOOK, PURPOSE, PlanningUnavailableError, feedback_content
from services.care.tables import CARD
from services.care.tables import FEEDBACK as FEEDBACK_TABLE
from services.care.worklist_ports import cohort_of, place
from services.planning.feedback import overrides
from services.planning.schema import AnyScore, Fallback, Scored
from services.problems import Problem

PATH = f"/cds-services/{SERVICE_ID}"
ROLE = "ehr"
ACCEPTED = "accepted"

log = logging.getLogger("services.care")
Handler = Callable[[Request], Coroutine[object, object, Response]]

_RESPONSES: dict[int | str, dict[str, object]] = {
    400: {"description": "The body is not JSON, or contradicts itself."},
    401: {"description": "The token of the EHR is missing or refused."},
    413: {"description": "The body is too large."},
    415: {"description": "The body has another media type."},
    503: {"description": "A database, Vault or the audit does not answer; nothing was answered."},
}


class _OfEhr(APIRoute):
    """Route of an EHR: its token is checked before anything of the body is read."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            care: Care = request.app.state.care
            address = f"{care.settings.ehr_address}{self.path}"
            audit(request).note(caller_role=ROLE, purpose=PURPOSE)
            caller = await run_in_threadpool(authenticate, care, request.headers.get("authorization"), address)
            audit(request).note(caller=caller.client.name)
            request.state.ehr = caller
            return await handle(request)

        return checked


class Services(BaseModel):
    """The answer to discovery."""

    services: list[dict[str, object]]


def router(care: Care) -> APIRouter:
    """Return the routes."""
    public = APIRouter(tags=["cds-hooks"])
    routes = APIRouter(tags=["cds-hooks"], route_class=_OfEhr)

    @public.get("/cds-services", summary="Discovery")
    def discovery() -> Services:
        """Return the services."""
        return Services(services=[description()])

    @routes.post(
        PATH,
        responses=_RESPONSES | {412: {"description": "Nothing is known of the patient, and no record can be read."}},
        summary="Hook encounter-discharge",
    )
    def discharge(request: Request, hook: HookRequest) -> CardsResponse:
        """Return a card with the risk of readmission of the stay that ends."""
        return _discharge(care, audit(request), request.state.ehr, hook)

    @routes.post(
        f"{PATH}/feedback",
        responses=_RESPONSES | {404: {"description": "A card is unknown; no feedback of the request was kept."}},
        summary="Feedback on cards",
    )
    def feedback(request: Request, body: FeedbackRequest) -> dict[str, object]:
        """Keep what a clinician did with cards; the same feedback sent twice is kept once."""
        return _feedback(care, audit(request), request.state.ehr, body)

    public.include_router(routes)
    return public


def _discharge(care: Care, record: RequestAudit, caller: Caller, hook: HookRequest) -> CardsResponse:
    record.note(workflow=HOOK)
    patient = record_of(hook, caller.client, care.http)
    try:
        features = care.features.features(patient, care.history.edition(), care.clock())
        record.note(encounter=features.encounter, patient=features.patient)
        identity = _identity(care, patient)
        left = departure(care, patient, features.encounter)
    except UserError:
        log.error("Vault does not answer, or refuses the key of the hospital")
        raise Problem(503, "Key not available", "The key service does not answer; try again.", headers=RETRY) from None
    if features.excluded == "no-record":
        detail = "Nothing is known of the patient; send the prefetch, or a registered fhirServer with its token."
        raise Problem(412, "No record of the patient", detail)
    score = _score(care, features, record.request_id, left)
    shown = uuid4()
    answer = CardsResponse(
        cards=[card(shown, score, features, address=care.settings.address, zone=care.zone, missing=patient.missing)]
    )
    with care.transaction() as connection:
        if identity is not None:
            write(connection, identity, source=EHR, run=str(record.request_id))
        connection.execute(
            sa.insert(CARD).values(
                card=shown,
                client=caller.client.name,
                hook_instance=str(hook.hook_instance),
                encounter=features.encounter,
                patient=features.patient,
                record=score.record if score else None,
            )
        )
        _write_back(care, connection, score, patient, features)
        if care.settings.worklist is not None and left is not None and features.features is not None:
            _place(care, connection, score, left, features)
        record.append(**_facts(score, features))
    return answer


def _score(care: Care, features: FreshFeatures, request_id: UUID, left: Departure | None) -> AnyScore | None:
    """Return planning's answer; nothing without a stay, or when planning does not answer.

    It gets the cohort of the unit that the patient leaves; the unit itself stays here.
    """
    if features.excluded is not None:
        return None
    cohort = cohort_of(left.unit if left else None, care.settings.canary_units)
    try:
        return care.planning.score(features, request_id, cohort=cohort)
    except PlanningUnavailableError:
        return None


def _identity(care: Care, record: PatientRecord) -> Any:
    """Return the rows of the identity lookup that the record tells, encrypted; nothing without a record."""
    patient = record.resource("Patient", record.patient_id)
    encounter = record.resource("Encounter", record.encounter_id)
    if patient is None or encounter is None:
        return None
    edition = care.history.edition()
    subject = care.features.subject(record.patient_id, care.features.ring(edition.key_version if edition else None))
    stay = stay_values(encounter, record.patient_id, subject, care.zone)
    return encrypted([patient_values(patient, subject)], [stay], care.cipher)


def _write_back(
    care: Care, connection: sa.Connection, score: AnyScore | None, patient: PatientRecord, features: FreshFeatures
) -> None:
    if RISK_ASSESSMENT not in care.receivers or not isinstance(score, Scored | Fallback):
        return
    assessed = write_back.Assessed(patient.patient_id, patient.encounter_id, care.clock())
    content = write_back.content(score, assessed)
    put(connection, care.cipher, RISK_ASSESSMENT, features.encounter, content, at=care.clock())


def _place(
    care: Care, connection: sa.Connection, score: AnyScore | None, left: Departure, features: FreshFeatures
) -> None:
    """Place the discharge on the worklist."""
    place(
        connection,
        features,
        score,
        unit=left.unit,
        units=care.settings.units,
        ended_at=left.ended_at,
        now=care.clock(),
    )


def _facts(score: AnyScore | None, features: FreshFeatures) -> dict[str, Any]:
    """Return what the audit record has of the answer; planning's own record has the score and the features."""
    facts: dict[str, object] = {
        "freshness_hours": features.as_of_hours,
        "detail": "fresh" if features.fresh else "no-data",
    }
    if features.excluded is not None:
        return facts | {"detail": features.excluded}
    match score:
        case Scored(release=release):
            facts["release"] = ReleaseRef(
                model=release.model,
                version=release.version,
                digest=release.digest,
                preprocessing=release.preprocessing,
                threshold=score.threshold.risk_from,
                schema_version=str(release.schema_version),
            )
        case Fallback(fallback_reason=reason):
            facts |= {"outcome": "fallback", "fallback_reason": str(reason.value)}
        case None:
            facts |= {"outcome": "fallback", "fallback_reason": "planning-unavailable"}
        case _:
            facts["detail"] = score.not_scored_reason
    return facts


def _feedback(care: Care, record: RequestAudit, caller: Caller, body: FeedbackRequest) -> dict[str, object]:
    record.note(workflow=FEEDBACK)
    coded = [(one, _code(one)) for one in body.feedback]
    with care.transaction() as connection:
        cards = sa.select(CARD).where(
            CARD.c.client == caller.client.name, CARD.c.card.in_([one.card for one, _ in coded])
        )
        shown = {row.card: row for row in connection.execute(cards)}
        if any(one.card not in shown for one, _ in coded):
            detail = "A card of the feedback is not one that this EHR got; nothing of the request was kept."
            raise Problem(404, "Unknown card", detail)
        for one, code in coded:
            _keep(care, connection, one, code, shown[one.card])
        encounters = tuple(sorted({row.encounter for row in shown.values()}))
        kinds = {one.outcome for one, _ in coded}
        record.append(encounters=encounters, action=kinds.pop() if len(kinds) == 1 else "several")
    return {}


def _code(one: CardFeedback) -> str | None:
    """Return the code of our table that feedback has; a code of nobody's table is refused."""
    if one.outcome == ACCEPTED:
        return ACCEPTED
    reason = one.override_reason.reason if one.override_reason else None
    if reason is None:
        return None
    if reason.code not in overrides():
        raise Problem(400, "Unknown override reason", "The code of an override reason is not one of the card's.")
    return reason.code


def _keep(care: Care, connection: sa.Connection, one: CardFeedback, code: str | None, shown: sa.Row[Any]) -> None:
    """Keep feedback in the database, and send its code to planning; free text goes no further."""
    comment = one.override_reason.user_comment if one.override_reason else None
    new = (
        insert(FEEDBACK_TABLE)
        .values(card=one.card, outcome_at=one.outcome_timestamp, outcome=one.outcome, code=code, comment=comment)
        .on_conflict_do_nothing()
        .returning(FEEDBACK_TABLE.c.card)
    )
    if connection.scalar(new) is None or code is None or shown.record is None:
        return
    content = feedback_content(shown.encounter, shown.record, code)
    put(connection, care.cipher, FEEDBACK, shown.encounter, content, at=care.clock())
