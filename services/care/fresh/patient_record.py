"""A patient's record at the moment of a discharge: from the hook's prefetch, and what is missing from the FHIR server.

What comes is checked against the hook's context: a resource of another patient is not used, and an encounter of
another patient is refused.
"""

import logging
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpx

from model.io.json_elements import Resource
from services.care.ehr_clients import EhrClient
from services.care.hooks import PREFETCH, HookRequest
from services.problems import Problem

KINDS = {name: re.split("[/?]", template)[0] for name, template in PREFETCH.items()}
"""Resource type of each part of the record."""
NEEDED = ("patient", "encounter")
BUDGET_SECONDS = 3.0
"""For all reads of one hook: a clinician waits for the answer."""
MOST_PAGES = 20
MOST_RESOURCES = 20_000
FHIR_JSON = "application/fhir+json"

log = logging.getLogger("services.care")


@dataclass
class PatientRecord:
    """Resources of one patient, as the EHR has them.

    Parameters
    ----------
    patient_id, encounter_id
        Ids of the Patient and of the Encounter that ends.
    resources
        The resources, each of the patient.
    missing
        Parts of the record that could not be had.
    """

    patient_id: str
    encounter_id: str
    resources: list[Resource] = field(default_factory=list)
    missing: tuple[str, ...] = ()

    @property
    def is_fresh(self) -> bool:
        """Whether the patient and the encounter are in it, without which nothing can be computed from it."""
        return not set(NEEDED) & set(self.missing)

    def resource(self, kind: str, identity: str) -> Resource | None:
        """Return one resource."""
        wanted = (kind, identity)
        return next((one for one in self.resources if (one.get("resourceType"), one.get("id")) == wanted), None)


class FhirReader:
    """Reads the FHIR server of one hook, with the token that the hook gave, within a budget of time.

    Parameters
    ----------
    http
        The client.
    base
        The FHIR base, which is registered for the EHR.
    token
        The access token, if any.
    budget
        Seconds for all reads.
    """

    def __init__(self, http: httpx.Client, base: str, token: str | None, budget: float = BUDGET_SECONDS) -> None:
        self._http = http
        self._base = base.rstrip("/")
        self._headers = {"Accept": FHIR_JSON} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._until = time.monotonic() + budget

    def read(self, query: str) -> list[Resource] | None:
        """Return the resources of a read or a search, of all its pages; None if they cannot be had."""
        resources: list[Resource] = []
        url: str | None = f"{self._base}/{query}"
        for _ in range(MOST_PAGES):
            if url is None:
                return resources
            page = self._get(url)
            if page is None:
                return None
            resources.extend(unpacked(page))
            if len(resources) > MOST_RESOURCES:
                return None
            url = self._next(page, url)
        return None

    def _get(self, url: str) -> Resource | None:
        left = self._until - time.monotonic()
        if left <= 0:
            return None
        try:
            answer = self._http.get(url, headers=self._headers, timeout=left, follow_redirects=False)
            content = answer.json() if answer.status_code == httpx.codes.OK else None
        except (httpx.HTTPError, ValueError, RecursionError) as fault:
            log.warning("The FHIR server was not read (%s)", type(fault).__name__)
            return None
        return content if isinstance(content, dict) else None

    def _next(self, page: Mapping[str, object], url: str) -> str | None:
        """Return the next page; the token is shown to the registered server alone."""
        link = next_link(page)
        if link is None:
            return None
        following = urljoin(url, link)
        if urlsplit(following)[:2] != urlsplit(self._base)[:2]:
            log.warning("The FHIR server names a page on another host, which is not read")
            return None
        return following


def record_of(request: HookRequest, client: EhrClient, http: httpx.Client) -> PatientRecord:
    """Return the record that a hook is about.

    Parameters
    ----------
    request : HookRequest
        The hook, with its prefetch and the token for the FHIR server.
    client : EhrClient
        The EHR, whose FHIR servers may be read.
    http : httpx.Client
        The client for them.

    Raises
    ------
    Problem
        400 when the FHIR server is not registered, or the patient or the encounter is another than the context's.
    """
    context = request.context
    reader = _reader(request, client, http)
    record = PatientRecord(context.patient_id, context.encounter_id)
    missing: list[str] = []
    parts: dict[tuple[str, str], Resource] = {}
    for name, template in PREFETCH.items():
        prefetched = _prefetched(request.prefetch or {}, name)
        if prefetched is None and reader is not None:
            prefetched = reader.read(_filled(template, request))
        if prefetched is None:
            missing.append(name)
            continue
        for resource in prefetched:
            if resource.get("resourceType") == KINDS[name] and isinstance(resource.get("id"), str):
                parts[(KINDS[name], resource["id"])] = resource
    record.missing = tuple(
        missing + [name for name in NEEDED if name not in missing and not _has(parts, name, request)]
    )
    record.resources = [resource for resource in parts.values() if _is_of(resource, context.patient_id)]
    _check_encounter(parts, request)
    return record


def unpacked(value: Mapping[str, Any]) -> Iterator[Resource]:
    """Yield the resources of a Bundle, or the resource itself; outcomes of a search are none of them."""
    if value.get("resourceType") != "Bundle":
        yield dict(value)
        return
    for entry in value.get("entry") or ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and resource.get("resourceType") != "OperationOutcome":
            yield resource


def next_link(page: Mapping[str, object]) -> str | None:
    """Return the address of the next page of a search."""
    links = page.get("link")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next" and isinstance(link.get("url"), str):
            return str(link["url"])
    return None


def _reader(request: HookRequest, client: EhrClient, http: httpx.Client) -> FhirReader | None:
    if request.fhir_server is None:
        return None
    allowed = {base.rstrip("/") for base in client.fhir_servers}
    if request.fhir_server.rstrip("/") not in allowed:
        detail = "The fhirServer of the hook is not registered for this EHR; use a registered one, or the prefetch."
        raise Problem(400, "Unknown FHIR server", detail)
    authorization = request.fhir_authorization
    return FhirReader(http, request.fhir_server, authorization.access_token if authorization else None)


def _prefetched(prefetch: Mapping[str, object], name: str) -> list[Resource] | None:
    """Return the resources of one part of the prefetch; None if it is absent, failed, or a first page only."""
    value = prefetch.get(name)
    if not isinstance(value, dict) or value.get("resourceType") == "OperationOutcome" or next_link(value):
        return None
    entries = value.get("entry")
    if value.get("resourceType") == "Bundle" and not isinstance(entries, list | None):
        return None
    return list(unpacked(value))


def _filled(template: str, request: HookRequest) -> str:
    context = request.context
    filled = template.replace("{{context.patientId}}", quote(context.patient_id))
    return filled.replace("{{context.encounterId}}", quote(context.encounter_id))


def _has(parts: Mapping[tuple[str, str], Resource], name: str, request: HookRequest) -> bool:
    identity = {"patient": request.context.patient_id, "encounter": request.context.encounter_id}[name]
    return (KINDS[name], identity) in parts


def _is_of(resource: Mapping[str, object], patient_id: str) -> bool:
    """Return whether a resource is the patient, or names the patient as its subject."""
    if resource["resourceType"] == "Patient":
        return bool(resource["id"] == patient_id)
    subject = resource.get("subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    return isinstance(reference, str) and reference.split("/_history")[0].split("/")[-2:] == ["Patient", patient_id]


def _check_encounter(parts: Mapping[tuple[str, str], Resource], request: HookRequest) -> None:
    encounter = parts.get(("Encounter", request.context.encounter_id))
    if encounter is not None and not _is_of(encounter, request.context.patient_id):
        detail = "The encounter of the hook is of another patient than the context names; check the context."
        raise Problem(400, "Encounter of another patient", detail)
