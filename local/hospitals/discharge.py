"""A discharge of the demonstration: the EHR calls the hook through the gateway and shows the card."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from local.errors import UserError
from local.hospitals import ehr_client, patient_record, pipeline, population
from local.hospitals.ehr_client import EhrClient
from local.paths import Home, machine_url, worklist_url
from local.stack.stack import Stack

HOOK = "encounter-discharge"
PATH = "/cds-services/readmission-risk"
CLINICIAN = "Practitioner/demonstration"
TIMEOUT = 30.0
LOOPBACK = "127.0.0.1"
"""Where the environment's gateway listens: names below `localhost` are not known to every resolver."""
_LONGEST_DETAIL = 300


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
    entries = {entry["name"]: entry for entry in Stack(home).working()}
    if hospital not in entries:
        raise UserError(f"There is no hospital {hospital or '(none named)'}: set HOSPITAL= to {' or '.join(entries)}.")
    if not ehr_client.is_demonstration(home, entries[hospital]):
        raise UserError(f"The demonstration EHR is not that of {hospital}'s entry: run `make up`, or use its own EHR.")
    files = pipeline.bundles(population.source(home, entries[hospital]))
    stay = patient_record.choose(files, patient)
    cards = call(EhrClient(home, hospital), stay, patient_record.prefetch(files, stay))
    return Discharge(hospital, stay.patient, stay.encounter, tuple(cards), worklist_url(hospital))


def request(stay: patient_record.Stay, prefetch: dict[str, Any]) -> dict[str, Any]:
    """Return the body of the hook."""
    context = {"userId": CLINICIAN, "patientId": stay.patient, "encounterId": stay.encounter}
    return {"hook": HOOK, "hookInstance": str(uuid.uuid4()), "context": context, "prefetch": prefetch}


def call(
    ehr: EhrClient, stay: patient_record.Stay, prefetch: dict[str, Any], address: str = ""
) -> Sequence[dict[str, Any]]:
    """Call the hook and return the cards.

    Raises
    ------
    UserError
        If there is no answer, or a refusal.
    """
    url = f"{address or machine_url(ehr.hospital)}{PATH}"
    named = urlsplit(url)
    headers = {"Authorization": f"Bearer {ehr.token(url)}", "Host": named.netloc}
    sni = {"sni_hostname": named.hostname}
    # Proxies and netrc of the caller's environment are not the EHR's.
    with httpx.Client(verify=ehr.tls(), timeout=TIMEOUT, trust_env=False) as client:
        try:
            there = httpx.URL(url).copy_with(host=LOOPBACK)
            answer = client.post(there, json=request(stay, prefetch), headers=headers, extensions=sni)
        except httpx.TransportError as fault:
            raise UserError(
                f"The gateway of {ehr.hospital} does not answer at {url} ({type(fault).__name__}): run "
                "`make status`, then `make up`."
            ) from None
    return _cards(answer, ehr.hospital)


def _cards(answer: httpx.Response, hospital: str) -> Sequence[dict[str, Any]]:
    if answer.is_success:
        try:
            return list(answer.json()["cards"])
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{hospital} answered the hook without cards: read the log of care with kubectl.") from None
    raise UserError(f"{hospital} refused the hook with {answer.status_code}: {_reason(answer)}")


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
