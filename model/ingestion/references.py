"""What a FHIR reference points at: one canonical id, however it is written."""

import re
from collections.abc import Iterable
from typing import Any

from model.ingestion.bundles import URN, Item

_REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?")
_NOT_PATIENTS = frozenset({"Group", "Device", "Location"})
"""What else may be the subject of a resource."""


class References:
    """The ids that one bundle gives to its own entries, where a reference does not tell them by itself."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._own: dict[str, tuple[str, str]] = {}
        self._drugs: dict[str, Any] = {}
        for item in items:
            if item.resource is not None:
                self._learn(item.resource, item.full_url)

    def _learn(self, resource: dict[str, Any], full_url: str | None) -> None:
        kind, identity = resource.get("resourceType"), resource.get("id")
        if not isinstance(kind, str) or not isinstance(identity, str):
            return
        if kind == "Medication":
            self._drugs[f"Medication/{identity}"] = resource.get("code")
            if full_url is not None:
                self._drugs[full_url] = resource.get("code")
        elif full_url is not None and (kind in _NOT_PATIENTS or _plain(full_url, kind) != identity):
            self._own[full_url] = (kind, identity)

    def resolve(self, reference: str, kind: str) -> str | None:
        """Return the id of the resource of a kind that a reference means; nothing when it means none."""
        if reference in self._own:
            found, identity = self._own[reference]
            return identity if found == kind else None
        return _plain(reference, kind)

    def patient(self, resource: dict[str, Any]) -> str | None:
        """Return the id of the patient whose resource this is."""
        if resource["resourceType"] == "Patient":
            return str(resource["id"])
        subject = resource.get("beneficiary" if resource["resourceType"] == "Coverage" else "subject")
        reference = subject.get("reference") if isinstance(subject, dict) else None
        return self.resolve(reference, "Patient") if isinstance(reference, str) else None

    def with_drug(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Return a MedicationRequest with its drug's codes in place, when they lie in a Medication beside it."""
        medication = resource.get("medicationReference")
        reference = medication.get("reference") if isinstance(medication, dict) else None
        if not isinstance(reference, str):
            return resource
        code = self._drugs.get(reference)
        if reference.startswith("#"):
            inside = (one for one in resource.get("contained", []) if one.get("id") == reference[1:])
            code = next((one.get("code") for one in inside if one.get("resourceType") == "Medication"), None)
        return resource | {"medicationCodeableConcept": code} if isinstance(code, dict) else resource


def _plain(reference: str, kind: str) -> str | None:
    """Return the id that a reference of itself gives."""
    if reference.startswith(URN):
        return reference[len(URN) :]
    parts = _REFERENCE.fullmatch(reference)
    return parts[2] if parts and parts[1] == kind else None
