"""Every record is a valid AuditEvent, with the agents and entities of IHE BALP."""

from dataclasses import replace
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from hypothesis import given
from hypothesis import strategies as st

from services.audit.fhir import audit_event
from services.audit.records import Record
from tests.support.audit.audit_chain import link
from tests.support.audit.audit_records import ENCOUNTER, PATIENT, RELEASE, entry, request, scored

READ = {"route": "GET /worklist/{visit}", "service": "care", "encounter": ENCOUNTER, "patient": PATIENT}
PERSON = {"caller": "user-7", "caller_role": "coordinator"}


def record(**fields: Any) -> Record:
    [made] = link([entry(request_id=request(7), **fields).canonical()])
    return made


def roles(event: dict[str, Any]) -> list[str]:
    return [agent["type"]["coding"][0]["code"] for agent in event["agent"]]


def test_both_releases_of_a_request_that_two_answered_are_entities() -> None:
    canary = replace(RELEASE, model="readmission-risk-v2", version="v2", digest="d4" * 32)
    event = audit_event(record(**READ, **PERSON, release=RELEASE, scores=(scored(), scored(release=canary))))
    names = {entity.get("name") for entity in event["entity"]}
    assert {"readmission-risk-v1 v1", "readmission-risk-v2 v2"} <= names


def test_a_read_of_one_patient_follows_the_profile() -> None:
    made = record(**READ, **PERSON, release=RELEASE)
    event = audit_event(made)
    assert event["meta"]["profile"] == [
        "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead"
    ]
    assert (event["action"], event["subtype"][0]["code"], event["outcome"]) == ("R", "read", "0")
    # Server as source, client as destination, and the person.
    assert roles(event) == ["110153", "110152", "IRCP"]
    assert [agent["requestor"] for agent in event["agent"]] == [False, False, True]
    patient, encounter, release, transaction = event["entity"]
    assert patient["what"]["identifier"] == {"system": "urn:hmlops:north:patient", "value": PATIENT}
    assert (patient["type"]["code"], patient["role"]["code"]) == ("1", "1")
    assert encounter["what"]["identifier"]["value"] == ENCOUNTER
    assert release["detail"] == [{"type": "digest", "valueString": RELEASE.digest}]
    assert transaction["type"]["code"] == "XrequestId"
    assert transaction["what"]["identifier"]["value"] == str(request(7))
    assert {"type": "hash", "valueString": made.hash.hex()} in transaction["detail"]
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"


@pytest.mark.parametrize(
    ("fields", "code", "action", "profile"),
    [
        (READ, "read", "R", "PatientRead"),
        (READ | {"patient": None}, "read", "R", None),
        (READ | {"encounter": None, "patient": None, "encounters": (ENCOUNTER, "v1-555555")}, "search", "E", None),
        (READ | {"route": "POST /worklist/{visit}/claim", "action": "claim"}, "update", "U", "PatientUpdate"),
        (READ | {"route": "/erase", "action": "erase-features"}, "delete", "D", "PatientDelete"),
        ({"scores": (scored(),)}, "operation", "E", None),
        (READ | {"outcome": "refused", "status": 403}, "read", "R", None),
        ({"route": "unmatched", "outcome": "refused", "status": 404}, "operation", "E", None),
    ],
)
def test_an_interaction_is_named_by_what_the_request_did(
    fields: dict[str, Any], code: str, action: str, profile: str | None
) -> None:
    event = audit_event(record(**fields))
    assert (event["subtype"][0]["code"], event["action"]) == (code, action)
    claimed = event.get("meta", {}).get("profile", [])
    assert [name.rpartition(".")[2] for name in claimed] == ([profile] if profile else [])


@pytest.mark.parametrize(
    ("fields", "outcome", "description"),
    [
        ({}, "0", None),
        ({"outcome": "fallback", "fallback_reason": "model-slow"}, "0", "fallback, model-slow"),
        ({"outcome": "refused", "status": 403, "detail": "other-unit"}, "4", "refused, other-unit"),
        ({"outcome": "failed", "status": 500}, "8", "failed"),
    ],
)
def test_an_outcome_is_described(fields: dict[str, Any], outcome: str, description: str | None) -> None:
    event = audit_event(record(**fields))
    assert (event["outcome"], event.get("outcomeDesc")) == (outcome, description)


def test_an_application_is_the_requestor_where_there_is_no_person() -> None:
    event = audit_event(record(scores=(scored(),)))
    assert roles(event) == ["110152", "110153"]
    assert [agent["requestor"] for agent in event["agent"]] == [False, True]


@given(
    method=st.sampled_from(["GET /a/{b}", "POST /a", "DELETE /a", "OTHER /a", "unmatched", "/start"]),
    outcome=st.sampled_from(["answered", "refused", "fallback", "failed"]),
    fields=st.fixed_dictionaries(
        {},
        optional={
            "caller_role": st.just("coordinator"),
            "purpose": st.sampled_from(["TREAT", None]),
            "encounter": st.just(ENCOUNTER),
            "patient": st.just(PATIENT),
            "encounters": st.just((ENCOUNTER, "v1-555555")),
            "release": st.just(RELEASE),
            "action": st.sampled_from(["claim", "break-glass"]),
            "detail": st.just("other-unit"),
            "scores": st.just((scored(), scored(patient="v1-666666", encounter="v1-555555"))),
        },
    ),
)
def test_every_record_is_a_valid_resource(method: str, outcome: str, fields: dict[str, Any]) -> None:
    event = audit_event(record(route=method, outcome=outcome, **fields))
    assert AuditEvent.model_validate(event).agent
