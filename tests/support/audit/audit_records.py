"""Audit entries of tests."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from services.audit.records import AuditEntry, ConfigurationRef, ReleaseRef, ScoredEncounter, feature_bytes

ENCOUNTER = "v1-" + "a1" * 20
PATIENT = "v1-" + "b2" * 20
RELEASE = ReleaseRef(model="readmission-risk-v1", version="v1", digest="c3" * 32, threshold=0.2)
VALUES: dict[str, float | str | None] = {"age": 71.0, "stay_days": 0.1 + 0.2, "albumin": None}


def entry(hospital: str = "north", **fields: Any) -> AuditEntry:
    """Return an entry of one answered request."""
    plain = AuditEntry(
        request_id=fields.pop("request_id", None) or uuid4(),
        occurred_at=datetime(2026, 11, 3, 9, 30, tzinfo=UTC),
        service="planning",
        route="POST /v1/scores",
        workflow="discharge-worklist",
        caller=f"spiffe://hmlops/{hospital}/care",
        purpose="TREAT",
        hospital=hospital,
        outcome="answered",
        status=200,
    )
    return replace(plain, **fields)


def scored(**fields: Any) -> ScoredEncounter:
    """Return an encounter that was scored."""
    plain = ScoredEncounter(
        encounter=ENCOUNTER, patient=PATIENT, status="scored", risk=0.25, decision="medium", freshness_hours=1.5
    )
    return replace(plain, **fields)


def features(values: dict[str, float | str | None] | None = None) -> bytes:
    """Return feature values as they are kept."""
    return feature_bytes(VALUES if values is None else values)


def request(number: int) -> UUID:
    """Return a request's id."""
    return UUID(int=number)


FULL = entry(
    caller_role="coordinator",
    recipient="urn:registry:7",
    encounter=ENCOUNTER,
    patient=PATIENT,
    encounters=(ENCOUNTER, "v2-abcdef"),
    release=RELEASE,
    freshness_hours=1.25,
    fallback_reason="model-slow",
    action="claim",
    detail="other-unit",
    scores=(scored(), scored(status="fallback", risk=None, lace=12)),
    configuration=(ConfigurationRef(component="settings", digest="ab" * 32, changed_by="deployer"),),
)
"""An entry with every kind of field."""
