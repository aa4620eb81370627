"""What a FHIR reference points at: one canonical id, however it is written."""

import re

from model.ingestion.sources import Item

_REFERENCE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?")
URN = "urn:uuid:"


class References:
    """The ids that one bundle gives to its own entries."""

    def __init__(self, items: tuple[Item, ...]) -> None:
        self._own = {
            item.full_url: (str(item.resource.get("resourceType")), item.resource["id"])
            for item in items
            if item.full_url and item.resource and isinstance(item.resource.get("id"), str)
        }

    def resolve(self, reference: str, kind: str) -> str | None:
        """Return the id of the resource of a kind that a reference means; nothing when it means none."""
        if reference in self._own:
            found, identity = self._own[reference]
            return identity if found == kind else None
        if reference.startswith(URN):
            return reference.removeprefix(URN)
        parts = _REFERENCE.fullmatch(reference)
        return parts[2] if parts and parts[1] == kind else None

    def patient(self, item: Item) -> str | None:
        """Return the id of the patient whose resource this is."""
        resource = item.resource or {}
        if resource.get("resourceType") == "Patient":
            return str(resource["id"])
        subject = resource.get("subject")
        reference = subject.get("reference") if isinstance(subject, dict) else None
        return self.resolve(reference, "Patient") if isinstance(reference, str) else None
