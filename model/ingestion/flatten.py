"""Turn a de-identified resource into rows of the curated tables."""

from collections.abc import Iterator
from typing import Any

from model.ingestion.coverage import payer

Left = dict[str, Any]
"""What the allow list let through of a resource."""
Row = tuple[Any, ...]
"""The values of one row, in the order of ``model.ingestion.curated.COLUMNS``; moments are still text."""


def rows(resource: Left, kind: str) -> Iterator[tuple[str, Row]]:
    """Give the table and row for everything that a de-identified resource says."""
    return _FLATTEN[kind](resource)


def _patient(resource: Left) -> Iterator[tuple[str, Row]]:
    address = _first(resource.get("address")) or {}
    birth = resource.get("birthDate") or {}
    died = resource.get("deceasedDateTime")
    told = resource.get("extension") or {}
    row = (
        resource["id"],
        resource.get("gender"),
        birth.get("year"),
        birth.get("over_89"),
        bool(resource.get("deceasedBoolean") or died),
        died,
        address.get("state"),
        address.get("postalCode"),
        told.get("race"),
        told.get("ethnicity"),
    )
    yield "patient", row


def _encounter(resource: Left) -> Iterator[tuple[str, Row]]:
    period = resource.get("period") or {}
    hospitalization = resource.get("hospitalization") or {}
    row = (
        resource["id"],
        resource["subject"]["reference"],
        resource.get("status"),
        (resource.get("class") or {}).get("code"),
        _code(resource.get("priority")),
        period.get("start"),
        period.get("end"),
        _code(hospitalization.get("admitSource")),
        _code(hospitalization.get("dischargeDisposition")),
    )
    yield "encounter", row


def _condition(resource: Left) -> Iterator[tuple[str, Row]]:
    for coding in (resource.get("code") or {}).get("coding") or ():
        row = (
            resource["id"],
            resource["subject"]["reference"],
            (resource.get("encounter") or {}).get("reference"),
            coding["system"],
            coding["code"],
            _code(resource.get("clinicalStatus")),
            _code(resource.get("verificationStatus")),
            resource.get("onsetDateTime"),
            resource.get("recordedDate"),
        )
        yield "condition", row


def _observation(resource: Left) -> Iterator[tuple[str, Row]]:
    taken = (
        resource.get("effectiveDateTime")
        or resource.get("effectiveInstant")
        or (resource.get("effectivePeriod") or {}).get("start")
    )
    for measured in (resource, *(resource.get("component") or ())):
        quantity = measured.get("valueQuantity")
        if quantity is None:
            continue
        for coding in (measured.get("code") or {}).get("coding") or ():
            row = (
                resource["id"],
                resource["subject"]["reference"],
                (resource.get("encounter") or {}).get("reference"),
                resource.get("status"),
                coding["code"],
                quantity["value"],
                quantity["unit"],
                quantity["comparator"],
                taken,
                resource.get("issued"),
            )
            yield "observation", row


def _medication_request(resource: Left) -> Iterator[tuple[str, Row]]:
    for coding in (resource.get("medicationCodeableConcept") or {}).get("coding") or ():
        row = (
            resource["id"],
            resource["subject"]["reference"],
            (resource.get("encounter") or {}).get("reference"),
            resource.get("status"),
            coding["code"],
            resource.get("authoredOn"),
        )
        yield "medication_request", row


def _coverage(resource: Left) -> Iterator[tuple[str, Row]]:
    period = resource.get("period") or {}
    whose = resource["beneficiary"]["reference"]
    yield "coverage", (resource["id"], whose, payer(resource), period.get("start"), period.get("end"))


_FLATTEN = {
    "Patient": _patient,
    "Encounter": _encounter,
    "Condition": _condition,
    "Observation": _observation,
    "MedicationRequest": _medication_request,
    "Coverage": _coverage,
}


def _first(values: Any) -> Any:
    return values[0] if isinstance(values, list) and values else values


def _code(concept: Any) -> str | None:
    """Return the first code of a CodeableConcept whose codings were let through."""
    coding = _first((_first(concept) or {}).get("coding"))
    return coding["code"] if coding else None
