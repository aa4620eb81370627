"""Why a valid resource gave no row, and the class of encounters whose source says it by other elements."""

from collections.abc import Callable
from typing import Any

from model.curated.coverage import why_unusable
from model.fhir.record_use import encounter_class
from model.fhir.values import NUMBERS, OTHER_CODE, reasons

EMERGENCY = "EMER"


def with_source_class(encounter: dict[str, Any], left: dict[str, Any]) -> dict[str, Any]:
    """Return what is left of an encounter with the class that its source implies.

    An admission whose own class was emergency stays one by its priority.
    """
    implied = encounter_class(encounter)
    if implied is None or (left.get("class") or {}).get("code") == implied:
        return left
    urgent = (left.get("class") or {}).get("code") == EMERGENCY and "priority" not in left
    priority = {"priority": {"coding": [{"system": "act-priority", "code": "EM"}]}} if urgent else {}
    return left | {"class": {"system": "act-code", "code": implied}} | priority


def why_empty(resource: dict[str, Any], left: dict[str, Any]) -> str:
    """Return the reason for which a valid resource gave no row, from it and from what the allow list left of it."""
    return _REASONS[resource["resourceType"]](resource, left)


def _code(concept: Any) -> str:
    return "code-system" if isinstance(concept, dict) and concept.get("coding") else "no-code"


def _condition(resource: dict[str, Any], _left: dict[str, Any]) -> str:
    return _code(resource.get("code"))


def _observation(resource: dict[str, Any], left: dict[str, Any]) -> str:
    """Return the first reason of a needed measurement, else whether it is a number of another code or no number."""
    needed = [reason for reason in reasons(resource, left) if reason != OTHER_CODE]
    if needed:
        return needed[0]
    measured = [resource, *(resource.get("component") or ())]
    if any(name in one for one in measured for name in NUMBERS):
        return "other-code" if (left.get("code") or {}).get("coding") else _code(resource.get("code"))
    return "no-quantity" if any(name.startswith("value") for one in measured for name in one) else "no-value"


def _drug(resource: dict[str, Any], _left: dict[str, Any]) -> str:
    if "medicationCodeableConcept" not in resource:
        return "medication-not-found"
    return _code(resource["medicationCodeableConcept"])


_REASONS: dict[str, Callable[[dict[str, Any], dict[str, Any]], str]] = {
    "Patient": lambda _resource, _left: "empty",
    "Encounter": lambda _resource, _left: "class",
    "Condition": _condition,
    "Observation": _observation,
    "MedicationRequest": _drug,
    "Coverage": lambda _resource, left: why_unusable(left),
}
