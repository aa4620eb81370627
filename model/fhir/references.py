"""FHIR references, as one canonical id for each target."""

import re
from collections.abc import Iterable

from model.fhir.bundles import URN, Item
from model.fhir.conditional import condition_of, identified, searched
from model.fhir.medications import ENTERED_IN_ERROR, Concept
from model.fhir.resource_types import resource_types
from model.io.json_elements import Resource

_REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?")
_NOT_PATIENTS = frozenset({"Group", "Device", "Location"})
"""What else may be the subject of a resource."""


class References:
    """The ids that one bundle gives to its own entries, where a reference does not tell them by itself."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._own: dict[str, tuple[str, str]] = {}
        self._drugs: dict[str, Concept] = {}
        for item in items:
            if item.resource is not None:
                self._learn(item, item.resource)

    def _learn(self, item: Item, resource: Resource) -> None:
        kind, identity, full_url = resource.get("resourceType"), resource.get("id"), item.full_url
        if not isinstance(kind, str) or not isinstance(identity, str):
            return
        if item.own_id is not None:
            self._own[f"{kind}/{item.own_id}"] = (kind, identity)
        if kind == "Medication":
            concept = ENTERED_IN_ERROR if resource.get("status") == "entered-in-error" else resource.get("code")
            self._drugs[f"Medication/{item.own_id or identity}"] = concept
            if full_url is not None:
                self._drugs[full_url] = concept
        elif full_url is not None and (kind in _NOT_PATIENTS or _plain(full_url, kind) != identity):
            self._own[full_url] = (kind, identity)

    def resolve(self, reference: str, kind: str) -> str | None:
        """Return the id of the resource of a kind that a reference means; nothing when it means none."""
        if reference in self._own:
            own, identity = self._own[reference]
            return identity if own == kind else None
        return _plain(reference, kind)

    def referred(self, reference: object, kind: str) -> str | None:
        """Return the id of the resource of a kind that a Reference means, by its reference or its identifier."""
        if not isinstance(reference, dict):
            return None
        literal = reference.get("reference")
        if isinstance(literal, str):
            return self.resolve(literal, kind)
        return identified(kind, reference.get("identifier")) if reference.get("type", kind) == kind else None

    def patient(self, resource: Resource) -> str | None:
        """Return the id of the patient whose resource this is."""
        if resource["resourceType"] == "Patient":
            return str(resource["id"])
        return self.referred(resource.get(owning_element(resource["resourceType"])), "Patient")

    def drug(self, reference: str) -> Concept:
        """Return the drug's codes in a Medication of the same bundle."""
        return self._drugs.get(reference)


def owning_element(kind: str) -> str:
    """Return the element of a resource type that names its patient."""
    row = resource_types().get(kind)
    return (row.owner if row else None) or "subject"


def _plain(reference: str, kind: str) -> str | None:
    """Return the id that a reference of itself gives."""
    if reference.startswith(URN):
        return reference[len(URN) :]
    parts = _REFERENCE.fullmatch(reference)
    if parts:
        return parts[2] if parts[1] == kind else None
    condition = condition_of(reference)
    return searched(*condition) if condition is not None and condition[0] == kind else None
