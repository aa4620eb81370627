"""Records as FHIR R4 AuditEvent resources, by the patterns of IHE Basic Audit Log Patterns (BALP 1.1.3).

Source of agents, entities and codes: https://profiles.ihe.net/ITI/BALP. A profile is claimed only for what it
describes: a success about one patient.
"""

import functools
from dataclasses import dataclass
from typing import Any, Literal

from services.audit.records import AuditEntry, Record, timestamp

PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
EVENT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
PURPOSE = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
BALP_ENTITY = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
SOURCE_ROLE, DESTINATION_ROLE = "110153", "110152"
OUTCOMES = {"answered": "0", "fallback": "0", "refused": "4", "failed": "8"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Interaction:
    """Interaction of a request, in FHIR's terms.

    Parameters
    ----------
    code
        A code of restful-interaction.
    action
        A code of audit-event-action.
    profile
        The BALP profile of a success about one patient.
    """

    code: Literal["read", "search", "update", "delete", "operation"]
    action: Literal["C", "R", "U", "D", "E"]
    profile: str | None = None


READ = Interaction("read", "R", "IHE.BasicAudit.PatientRead")
SEARCH = Interaction("search", "E")  # PatientQuery needs the query, which no record holds
UPDATE = Interaction("update", "U", "IHE.BasicAudit.PatientUpdate")
DELETE = Interaction("delete", "D", "IHE.BasicAudit.PatientDelete")
OPERATION = Interaction("operation", "E")


def audit_event(record: Record) -> Json:
    """Return a record as a valid AuditEvent."""
    entry = record.entry
    interaction = _interaction(entry)
    patients = sorted({entry.patient, *(score.patient for score in entry.scores)} - {None}, key=str)
    event: Json = {
        "resourceType": "AuditEvent",
        "id": f"{entry.hospital[:40]}-{record.sequence}",
        "type": _coding(EVENT_TYPE, "rest", "Restful Operation"),
        "subtype": [_coding(INTERACTION, interaction.code)],
        "action": interaction.action,
        "recorded": timestamp(record.recorded_at),
        "outcome": OUTCOMES[entry.outcome],
        "agent": _agents(entry, interaction),
        "source": {
            "site": entry.hospital,
            "observer": {"display": f"{entry.hospital}-{entry.service}"},
            "type": [_coding(SOURCE_TYPE, "4", "Application Server")],
        },
        "entity": _entities(record, [str(patient) for patient in patients]),
    }
    described = ", ".join(part for part in (entry.outcome, entry.fallback_reason, entry.detail) if part)
    if described != "answered":
        event["outcomeDesc"] = described
    if entry.purpose:
        event["purposeOfEvent"] = [{"coding": [_coding(PURPOSE, entry.purpose)]}]
    if interaction.profile and event["outcome"] == "0" and len(patients) == 1:
        event["meta"] = {"profile": [PROFILES + interaction.profile]}
    _model().model_validate(event)
    return event


@functools.cache
def _model() -> Any:
    from fhir.resources.R4B.auditevent import AuditEvent  # takes a second to import

    return AuditEvent


def _interaction(entry: AuditEntry) -> Interaction:
    method = entry.route.split(" ")[0]
    if entry.action == "erase-features" or method == "DELETE":
        return DELETE
    if method == "GET":
        return READ if len(entry.all_encounters()) == 1 else SEARCH
    if entry.action and method in {"POST", "PUT", "PATCH"} and not entry.scores:
        return UPDATE
    return OPERATION


def _agents(entry: AuditEntry, interaction: Interaction) -> list[Json]:
    # In a read the data flows from the server; in every other interaction the client is the source (BALP, DICOM).
    server, client = (SOURCE_ROLE, DESTINATION_ROLE) if interaction is READ else (DESTINATION_ROLE, SOURCE_ROLE)
    person = entry.caller_role is not None
    agents: list[Json] = [
        {
            "type": {"coding": [_coding(DICOM, server)]},
            "who": {"display": f"{entry.hospital}-{entry.service}"},
            "requestor": False,
        },
        {
            "type": {"coding": [_coding(DICOM, client)]},
            "who": {"identifier": {"value": entry.recipient or entry.caller}},
            "requestor": not person,
        },
    ]
    if person:
        agents.append(
            {
                "type": {"coding": [_coding(PARTICIPATION, "IRCP", "information recipient")]},
                "role": [{"text": entry.caller_role}],
                "who": {"identifier": {"value": entry.caller}},
                "requestor": True,
            }
        )
    return agents


def _entities(record: Record, patients: list[str]) -> list[Json]:
    entry = record.entry
    entities: list[Json] = [
        {
            "type": _coding(ENTITY_TYPE, "1", "Person"),
            "role": _coding(OBJECT_ROLE, "1", "Patient"),
            "what": _reference(entry.hospital, "Patient", patient),
        }
        for patient in patients
    ]
    entities += [
        {
            "type": _coding(ENTITY_TYPE, "2", "System Object"),
            "role": _coding(OBJECT_ROLE, "4", "Domain Resource"),
            "what": _reference(entry.hospital, "Encounter", encounter),
        }
        for encounter in sorted(entry.all_encounters())
    ]
    entities += [
        {
            "type": _coding(ENTITY_TYPE, "2", "System Object"),
            "name": f"{release.model} {release.version}",
            "detail": [{"type": "digest", "valueString": release.digest}],
        }
        for release in entry.releases()
    ]
    entities.append(
        {
            "type": _coding(BALP_ENTITY, "XrequestId"),
            "what": {"identifier": {"value": str(entry.request_id)}},
            "detail": [
                {"type": "route", "valueString": entry.route},
                {"type": "sequence", "valueString": str(record.sequence)},
                {"type": "hash", "valueString": record.hash.hex()},
            ],
        }
    )
    return entities


def _reference(hospital: str, kind: str, pseudonym: str) -> Json:
    return {"type": kind, "identifier": {"system": f"urn:hmlops:{hospital}:{kind.lower()}", "value": pseudonym}}


def _coding(system: str, code: str, display: str | None = None) -> Json:
    return {"system": system, "code": code} | ({"display": display} if display else {})
