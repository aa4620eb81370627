"""Write-back of a score to the hospital's FHIR server: a RiskAssessment with its Provenance, each of them once.

Both are created in one transaction, under conditions: a RiskAssessment by its identifier and a Provenance by its tag,
both the id of the message. A server that did the transaction and whose answer was lost creates nothing the next time
(https://hl7.org/fhir/R4/http.html#ccreate).
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import httpx

from model.definitions.features import definitions
from model.errors import UserError
from model.fhir_server.credentials import Credentials
from model.fhir_server.tls import context
from model.fhir_server.tokens import bearer
from model.fhir_server.wire import Clock, Wire
from model.io.json_elements import Resource
from services.care.delivery.outbox import NotDeliveredError, RefusedError
from services.planning.schema import Fallback, Scored

IDENTIFIERS = "urn:hmlops:risk-assessment"
FHIR_JSON = "application/fhir+json"
TIMEOUT_SECONDS = 20.0
SNOMED_READMISSION = {"system": "http://snomed.info/sct", "code": "417005", "display": "Hospital re-admission"}
BANDS = "urn:hmlops:readmission-risk-band"
PASSING = frozenset({401, 403, 408, 409, 412, 425, 429})
"""Statuses that another attempt may not get: an expired token, a limit, two writers at once."""

log = logging.getLogger("services.care")


@dataclass(frozen=True)
class Assessed:
    """Whose score is written: ids as the FHIR server knows them, and the true time."""

    patient_id: str
    encounter_id: str
    at: datetime


def content(score: Scored | Fallback, assessed: Assessed) -> str:
    """Return the content of a message: the RiskAssessment without its identifier, which is that of the message."""
    resource: Resource = {
        "resourceType": "RiskAssessment",
        "status": "final",
        "subject": {"reference": f"Patient/{assessed.patient_id}"},
        "encounter": {"reference": f"Encounter/{assessed.encounter_id}"},
        "occurrenceDateTime": assessed.at.isoformat(timespec="seconds"),
        "method": {"text": _method(score)},
        "prediction": [_prediction(score)],
        "note": [{"text": "An estimate; a clinician decides."}],
    }
    return json.dumps(resource)


def _method(score: Scored | Fallback) -> str:
    if isinstance(score, Scored):
        return f"{score.release.model} {score.release.version} sha256:{score.release.digest}"
    return f"LACE index {score.lace} of 19, because the model did not answer ({score.fallback_reason})"


def _prediction(score: Scored | Fallback) -> Resource:
    days = score.release.return_days if isinstance(score, Scored) else definitions().stay.return_days
    outcome = {"outcome": {"coding": [SNOMED_READMISSION], "text": f"Unplanned readmission within {days} days"}}
    if isinstance(score, Fallback):
        # Points are no probability.
        return outcome | {"rationale": f"LACE index {score.lace} of 19; no model score"}
    return outcome | {
        "probabilityDecimal": round(score.risk, 4),
        "qualitativeRisk": {"coding": [{"system": BANDS, "code": score.decision}], "text": score.decision},
        "rationale": "; ".join(reason.text for reason in score.reasons),
    }


def transaction(message: UUID, resource: Resource, device: str) -> Resource:
    """Return the transaction that creates a RiskAssessment and its Provenance unless they exist."""
    mark = {"system": IDENTIFIERS, "value": str(message)}
    assessment = f"urn:uuid:{message}"
    provenance = {
        "resourceType": "Provenance",
        "meta": {"tag": [{"system": IDENTIFIERS, "code": str(message)}]},
        "target": [{"reference": assessment}],
        "recorded": resource["occurrenceDateTime"],
        "activity": {"text": resource["method"]["text"]},
        "agent": [
            {
                "type": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                            "code": "author",
                        }
                    ]
                },
                "who": {"display": device},
            }
        ],
    }
    token = f"{IDENTIFIERS}|{message}"
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": assessment,
                "resource": resource | {"identifier": [mark]},
                "request": {"method": "POST", "url": "RiskAssessment", "ifNoneExist": f"identifier={token}"},
            },
            {
                "resource": provenance,
                "request": {"method": "POST", "url": "Provenance", "ifNoneExist": f"_tag={token}"},
            },
        ],
    }


class FhirWriter:
    """Writes to the hospital's FHIR server with care's own credentials.

    Parameters
    ----------
    base
        The FHIR base.
    shown
        The credentials.
    device
        What the Provenance names as the author.
    """

    def __init__(self, base: str, shown: Credentials, device: str) -> None:
        self._base = base.rstrip("/")
        self._device = device
        auth = bearer(Wire(self._base, shown, Clock()), shown)
        verify = context(shown, with_certificate=True)
        self._http = httpx.Client(verify=verify, auth=auth, timeout=TIMEOUT_SECONDS, follow_redirects=False)

    def write(self, message: UUID, content: str) -> None:
        """Deliver a message; see :data:`services.care.outbox.Deliver`."""
        body = transaction(message, json.loads(content), self._device)
        headers = {"Content-Type": FHIR_JSON, "Accept": FHIR_JSON}
        try:
            answer = self._http.post(self._base, json=body, headers=headers)
        except (httpx.HTTPError, UserError) as fault:
            # UserError: the token endpoint. It may be away as the server may.
            raise NotDeliveredError(type(fault).__name__) from None
        if answer.is_success:
            return
        if answer.status_code in PASSING or answer.is_server_error:
            raise NotDeliveredError(f"status {answer.status_code}")
        raise RefusedError(f"status {answer.status_code}")


class LateWriter:
    """A writer that is made when the first message is delivered: Vault may be away when care starts.

    Parameters
    ----------
    make
        Makes the writer; a fault is tried again with the next message.
    """

    def __init__(self, make: Callable[[], FhirWriter]) -> None:
        self._make = make
        self._made: FhirWriter | None = None

    def write(self, message: UUID, content: str) -> None:
        """Deliver a message; see :data:`services.care.outbox.Deliver`."""
        if self._made is None:
            try:
                self._made = self._make()
            except UserError as fault:
                log.error("Scores wait for the FHIR server: %s", fault)
                raise NotDeliveredError("no credentials") from None
        self._made.write(message, content)
