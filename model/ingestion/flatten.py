"""Turn a de-identified resource into rows of the curated tables."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

Row = dict[str, Any]


def rows(resource: Row, kind: str) -> Iterator[tuple[str, Row]]:
    """Give the table and row for everything that a de-identified resource says."""
    yield from _FLATTEN[kind](resource)


def _patient(resource: Row) -> Iterator[tuple[str, Row]]:
    address = _first(resource.get("address")) or {}
    birth = resource.get("birthDate") or {}
    yield (
        "patient",
        {
            "patient_id": resource["id"],
            "sex": resource.get("gender"),
            "birth_year": birth.get("year"),
            "over_89": birth.get("over_89"),
            "deceased": bool(resource.get("deceasedBoolean") or resource.get("deceasedDateTime")),
            "deceased_at": _moment(resource.get("deceasedDateTime")),
            "state": address.get("state"),
            "zip3": address.get("postalCode"),
        },
    )


def _encounter(resource: Row) -> Iterator[tuple[str, Row]]:
    period = resource.get("period") or {}
    hospitalization = resource.get("hospitalization") or {}
    yield (
        "encounter",
        {
            "encounter_id": resource["id"],
            "patient_id": resource["subject"]["reference"],
            "status": resource.get("status"),
            "class": (resource.get("class") or {}).get("code"),
            "started_at": _moment(period.get("start")),
            "ended_at": _moment(period.get("end")),
            "admit_source": _code(hospitalization.get("admitSource")),
            "disposition": _code(hospitalization.get("dischargeDisposition")),
        },
    )


def _condition(resource: Row) -> Iterator[tuple[str, Row]]:
    for coding in (resource.get("code") or {}).get("coding") or []:
        yield (
            "condition",
            {
                "condition_id": resource["id"],
                "patient_id": resource["subject"]["reference"],
                "encounter_id": (resource.get("encounter") or {}).get("reference"),
                "system": coding["system"],
                "code": coding["code"],
                "clinical_status": _code(resource.get("clinicalStatus")),
                "verification_status": _code(resource.get("verificationStatus")),
                "onset_at": _moment(resource.get("onsetDateTime")),
                "recorded_at": _moment(resource.get("recordedDate")),
            },
        )


def _observation(resource: Row) -> Iterator[tuple[str, Row]]:
    taken = (
        resource.get("effectiveDateTime")
        or resource.get("effectiveInstant")
        or (resource.get("effectivePeriod") or {}).get("start")
    )
    for measured in [resource, *(resource.get("component") or [])]:
        quantity = measured.get("valueQuantity")
        for coding in (measured.get("code") or {}).get("coding") or [] if quantity else []:
            yield (
                "observation",
                {
                    "observation_id": resource["id"],
                    "patient_id": resource["subject"]["reference"],
                    "encounter_id": (resource.get("encounter") or {}).get("reference"),
                    "status": resource.get("status"),
                    "code": coding["code"],
                    "value": quantity["value"],
                    "unit": quantity["unit"],
                    "comparator": quantity["comparator"],
                    "taken_at": _moment(taken),
                    "known_at": _moment(resource.get("issued")),
                },
            )


def _medication_request(resource: Row) -> Iterator[tuple[str, Row]]:
    for coding in (resource.get("medicationCodeableConcept") or {}).get("coding") or []:
        yield (
            "medication_request",
            {
                "medication_request_id": resource["id"],
                "patient_id": resource["subject"]["reference"],
                "encounter_id": (resource.get("encounter") or {}).get("reference"),
                "status": resource.get("status"),
                "code": coding["code"],
                "authored_at": _moment(resource.get("authoredOn")),
            },
        )


_FLATTEN = {
    "Patient": _patient,
    "Encounter": _encounter,
    "Condition": _condition,
    "Observation": _observation,
    "MedicationRequest": _medication_request,
}


def _first(values: Any) -> Any:
    return values[0] if isinstance(values, list) and values else values


def _code(concept: Any) -> str | None:
    """Return the first code of a CodeableConcept whose codings were let through."""
    coding = _first((_first(concept) or {}).get("coding"))
    return coding["code"] if coding else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
