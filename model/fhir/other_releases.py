"""Recognises resources that are written for another FHIR release than R4, by elements that only that release has."""

from collections.abc import Mapping
from typing import Any

# Release -> resource type -> elements that R4 does not have (hl7.org/fhir: R3 to R4 and R4 to R5 differences).
_ELEMENTS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "DSTU2": {
        "Patient": frozenset({"careProvider"}),
        "Encounter": frozenset({"patient", "indication"}),
        "Condition": frozenset({"patient", "dateRecorded", "notes"}),
        "Observation": frozenset({"comments"}),
        "MedicationRequest": frozenset({"patient", "dateWritten"}),
    },
    "STU3": {
        "Patient": frozenset({"animal"}),
        "Encounter": frozenset({"reason", "incomingReferral"}),
        "Condition": frozenset({"assertedDate", "context"}),
        "Observation": frozenset({"context", "related", "comment"}),
        "MedicationRequest": frozenset({"context", "definition"}),
    },
    "R5": {
        "Encounter": frozenset({"actualPeriod", "admission", "subjectStatus", "virtualService", "plannedStartDate"}),
        "Condition": frozenset({"participant"}),
        "Observation": frozenset({"instantiatesCanonical", "triggeredBy", "bodyStructure"}),
        "MedicationRequest": frozenset({"medication", "renderedDosageInstruction", "statusChanged", "device"}),
    },
}
# What R4 has as another type: an element of this Python type is of that release.
_TYPES: Mapping[tuple[str, str], tuple[type, str]] = {
    ("Condition", "clinicalStatus"): (str, "STU3"),
    ("Condition", "verificationStatus"): (str, "STU3"),
    ("Encounter", "class"): (list, "R5"),
}


def other_release(resource: Mapping[str, Any], kind: str) -> tuple[str, str] | None:
    """Return the FHIR release that a resource is written for, and the element that shows it; nothing for R4."""
    for (of, element), (written, release) in _TYPES.items():
        if of == kind and isinstance(resource.get(element), written):
            return release, element
    for release, kinds in _ELEMENTS.items():
        for element in sorted(kinds.get(kind, frozenset()) & resource.keys()):
            return release, element
    return None
