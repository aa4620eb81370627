"""Turn a de-identified resource into rows of the curated tables."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from model.curated.coverage import is_usable, payer_of
from model.fhir.values import is_needed

Left = dict[str, Any]
"""What the allow list let through of a resource."""
Row = tuple[Any, ...]
"""The values of one row, in the order of ``model.curated.staging.COLUMNS``; moments are still text."""


def rows(resource: Left, kind: str) -> Iterator[tuple[str, Row]]:
    """Give the table and row for everything that a de-identified resource says."""
    return _FLATTEN[kind](resource)


def _patient(resource: Left) -> Iterator[tuple[str, Row]]:
    address = _first(resource.get("address")) or {}
    death = resource.get("deceasedDateTime") or {}
    categories = resource.get("extension") or {}
    row = (
        resource["id"],
        resource.get("gender"),
        bool(resource.get("deceasedBoolean") or death),
        death.get("at"),
        address.get("state"),
        address.get("postalCode"),
        categories.get("race"),
        categories.get("ethnicity"),
        resource.get("birthDate"),
        death.get("since"),
        death.get("vague"),
    )
    yield "patient", row


def _encounter(resource: Left) -> Iterator[tuple[str, Row]]:
    if not resource.get("class"):
        return
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
        (resource.get("partOf") or {}).get("reference"),
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
            resource.get("onsetDateTime") or (resource.get("onsetPeriod") or {}).get("start"),
            resource.get("recordedDate"),
        )
        yield "condition", row


def _observation(resource: Left) -> Iterator[tuple[str, Row]]:
    period = resource.get("effectivePeriod") or {}
    taken = (
        resource.get("effectiveDateTime")
        or resource.get("effectiveInstant")
        or period.get("start")
        or period.get("end")
    )
    known = max(filter(None, (resource.get("issued"), period.get("end"))), key=datetime.fromisoformat, default=None)
    for measured in (resource, *(resource.get("component") or ())):
        quantity = measured.get("valueQuantity") or measured.get("valueInteger")
        if quantity is None:
            continue
        absent = quantity.get("absent")
        for coding in (measured.get("code") or {}).get("coding") or ():
            if absent is not None and not is_needed(coding["code"]):
                continue
            row = (
                resource["id"],
                resource["subject"]["reference"],
                (resource.get("encounter") or {}).get("reference"),
                resource.get("status"),
                coding["code"],
                quantity.get("value"),
                quantity.get("unit"),
                quantity.get("comparator"),
                absent,
                taken,
                known,
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
    if is_usable(resource):
        period, whose = resource.get("period") or {}, resource["beneficiary"]["reference"]
        yield "coverage", (resource["id"], whose, payer_of(resource), period.get("start"), period.get("end"))


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
