"""A discharge of the demonstration: the EHR calls the hook through the gateway and shows the card."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import httpx
import yaml
from tenacity import RetryCallState, Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from local.errors import UserError
from local.hospitals import ehr_client, ehr_source, patient_record, pipeline, population
from local.hospitals.ehr_client import EhrClient
from local.hospitals.gateway_call import send
from local.paths import EHR_URL, REPOSITORY, Home, machine_url, worklist_url
from local.stack.stack import Stack

HOOK = "encounter-discharge"
PATH = "/cds-services/readmission-risk"
CLINICIAN = "Practitioner/demonstration"
FHIR_SERVER = {"fhirServer": EHR_URL}
"""What the hook has of the record where care reads the environment's FHIR server."""
TIMEOUT = 30.0
_SUMMARIES = REPOSITORY / "services" / "care" / "cds_hooks" / "summaries.yaml"
WITHOUT_MODEL: tuple[str, ...] = tuple(yaml.safe_load(_SUMMARIES.read_text(encoding="utf-8")).values())
"""How the summary of a card begins for which the model or planning did not answer."""
_LONGEST_DETAIL = 300
_READY_SECONDS, _WAIT_SECONDS = 120, 2
_NOT_READY = (502, 503, 504)
_UNKNOWN_SERVER = "Unknown FHIR server"


class NotReadyError(UserError):
    """The gateway or a service behind it does not answer; it may be starting."""


@dataclass(frozen=True)
class Discharge:
    """Answer to the hook for one patient.

    Parameters
    ----------
    hospital, patient, encounter
        The hospital, and the ids of Patient and Encounter.
    cards
        The cards, as CDS Hooks 2.0 describes them.
    worklist
        Address of the worklist that has the patient now.
    """

    hospital: str
    patient: str
    encounter: str
    cards: tuple[dict[str, Any], ...]
    worklist: str

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Card:
    """Card of one patient, or why there is none."""

    content: dict[str, Any]
    problem: str = ""

    @property
    def failure(self) -> str:
        """What kept the path from EHR to model from answering; empty if it answered."""
        summary = str(self.content.get("summary", ""))
        return self.problem or (summary if summary.startswith(WITHOUT_MODEL) else "")


def discharge(home: Home, hospital: str, patient: str = "") -> Discharge:
    """Call the hook for a patient of a hospital of the stack.

    Parameters
    ----------
    patient
        Id of the patient; by default the one whose stay goes on longest, or whose stay is the newest.

    Raises
    ------
    UserError
        If there is no such hospital or patient, or the gateway or care refuse, with the reason.
    """
    stack = Stack(home)
    entry = stack.named(hospital)
    if not ehr_client.is_demonstration(home, entry):
        raise UserError(f"The demonstration EHR is not that of {hospital}'s entry: run `make up`, or use its own EHR.")
    if not stack.has_gateway:
        raise UserError(
            f"The stack declares no gateway, by which an EHR reaches {hospital}: add `gateway` to its file."
        )
    files = pipeline.bundles(population.source(home, entry))
    stay = patient_record.choose(files, patient)
    # An EHR with a FHIR server lets care read the record there.
    sent = FHIR_SERVER if ehr_source.is_source(entry) else {"prefetch": patient_record.prefetch(files, stay)}
    cards = call(EhrClient(home, hospital), stay, sent)
    return Discharge(hospital, stay.patient, stay.encounter, tuple(cards), worklist_url(hospital))


def first_card(home: Home, hospital: str, seconds: float = _READY_SECONDS) -> Card:
    """Return the card of one patient, for which services that are starting are waited for, the model server too.

    What is wrong is told in the card's place, so that the other hospitals are asked too.
    """
    waiting = Retrying(
        stop=stop_after_delay(seconds),
        wait=wait_fixed(_WAIT_SECONDS),
        retry=retry_if_exception_type(NotReadyError) | retry_if_result(_is_without_model),
        retry_error_callback=_last,
    )
    try:
        done = waiting(discharge, home, hospital)
    except UserError as fault:
        return Card({}, str(fault))
    return Card(done.cards[0]) if done.cards else Card({}, f"{hospital} answered the hook without a card.")


def _is_without_model(done: Discharge) -> bool:
    return any(str(card.get("summary", "")).startswith(WITHOUT_MODEL) for card in done.cards)


def _last(state: RetryCallState) -> Any:
    """Return the last answer, or raise what prevented it."""
    return state.outcome.result() if state.outcome else None


def request(stay: patient_record.Stay, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the hook, with ``prefetch``, `FHIR_SERVER` or both."""
    context = {"userId": CLINICIAN, "patientId": stay.patient, "encounterId": stay.encounter}
    return {"hook": HOOK, "hookInstance": str(uuid.uuid4()), "context": context, **sent}


def call(
    ehr: EhrClient, stay: patient_record.Stay, sent: Mapping[str, Any], address: str = ""
) -> Sequence[dict[str, Any]]:
    """Call the hook and return the cards.

    Parameters
    ----------
    ehr, stay
        Who calls, and the stay that ends.
    sent
        What the hook has of the record, as of `request`.
    address
        Address of the gateway; that of the environment by default.

    Raises
    ------
    UserError
        If there is no answer, or a refusal.
    """
    url = f"{address or machine_url(ehr.hospital)}{PATH}"
    headers = {"Authorization": f"Bearer {ehr.token(url)}"}
    try:
        answer = send("POST", url, ehr.tls(), TIMEOUT, headers=headers, json=request(stay, sent))
    except httpx.TransportError as fault:
        raise NotReadyError(
            f"The gateway of {ehr.hospital} does not answer at {url} ({type(fault).__name__}): run `make status`, "
            "then `make up`."
        ) from None
    return _cards(answer, ehr.hospital)


def _cards(answer: httpx.Response, hospital: str) -> Sequence[dict[str, Any]]:
    if answer.is_success:
        try:
            return list(answer.json()["cards"])
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{hospital} answered the hook without cards: read the log of care with kubectl.") from None
    reason = _reason(answer)
    # After an update, the pod before it answers until the new one is ready.
    starting = answer.status_code in _NOT_READY or reason.startswith(_UNKNOWN_SERVER)
    raise (NotReadyError if starting else UserError)(f"{hospital} refused the hook with {answer.status_code}: {reason}")


def _reason(answer: httpx.Response) -> str:
    """Return the detail of a problem (RFC 9457), or what a gateway says in text."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    parts = (
        [str(problem[name]) for name in ("title", "detail") if problem.get(name)] if isinstance(problem, dict) else []
    )
    text = ": ".join(parts) or answer.text.strip() or answer.reason_phrase
    return " ".join(text.split())[:_LONGEST_DETAIL]
