"""Requests of CDS Hooks 2.0 as they come from an EHR, and the description of our service (https://cds-hooks.hl7.org/2.0/)."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from model.definitions.features import definitions

SERVICE_ID = "readmission-risk"
HOOK = "encounter-discharge"
LONGEST_COMMENT = 4_000
MOST_FEEDBACK = 100

PREFETCH = {
    "patient": "Patient/{{context.patientId}}",
    "encounter": "Encounter/{{context.encounterId}}",
    "encounters": "Encounter?patient={{context.patientId}}",
    "conditions": "Condition?patient={{context.patientId}}",
    "observations": "Observation?patient={{context.patientId}}&category=laboratory,vital-signs",
    "medications": "MedicationRequest?patient={{context.patientId}}",
}
"""The prefetch templates; the EHR fills in the context."""

FhirId = Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,64}$")]


class _Part(BaseModel):
    # The specification lets an EHR send more; it is not read.
    model_config = ConfigDict(extra="ignore", frozen=True)


class DischargeContext(_Part):
    """Context of ``encounter-discharge``."""

    userId: str = Field(min_length=1, max_length=200)  # noqa: N815, the name of the specification
    patientId: FhirId  # noqa: N815
    encounterId: FhirId  # noqa: N815


class FhirAuthorization(_Part):
    """An access token for the EHR's FHIR server."""

    access_token: str = Field(min_length=1, max_length=20_000, repr=False)
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str
    subject: str


class HookRequest(_Part):
    """A call of the hook."""

    hook: Literal["encounter-discharge"]
    hookInstance: UUID  # noqa: N815
    context: DischargeContext
    fhirServer: str | None = Field(default=None, max_length=500)  # noqa: N815
    fhirAuthorization: FhirAuthorization | None = None  # noqa: N815
    prefetch: dict[str, object] | None = None


class Coding(_Part):
    """A code that an EHR gives back."""

    code: str = Field(min_length=1, max_length=100)
    system: str | None = Field(default=None, max_length=500)
    display: str | None = Field(default=None, max_length=500)


class OverrideReason(_Part):
    """Override reason of a card: a code of ours, and what the clinician wrote."""

    reason: Coding | None = None
    userComment: str | None = Field(default=None, max_length=LONGEST_COMMENT)  # noqa: N815


class AcceptedSuggestion(_Part):
    """A suggestion that was accepted; our cards have none."""

    id: UUID


class CardFeedback(_Part):
    """Feedback of a clinician to a card."""

    card: UUID
    outcome: Literal["accepted", "overridden"]
    outcomeTimestamp: AwareDatetime  # noqa: N815
    acceptedSuggestions: list[AcceptedSuggestion] = Field(default=[], max_length=MOST_FEEDBACK)  # noqa: N815
    overrideReason: OverrideReason | None = None  # noqa: N815


class FeedbackRequest(_Part):
    """Feedback on cards."""

    feedback: list[CardFeedback] = Field(min_length=1, max_length=MOST_FEEDBACK)


def description() -> dict[str, object]:
    """Return our service as discovery describes it."""
    return {
        "id": SERVICE_ID,
        "hook": HOOK,
        "title": f"Risk of readmission within {definitions().stay.return_days} days",
        "description": "Estimates the risk of readmission when a patient is discharged, with the main reasons.",
        "prefetch": PREFETCH,
        "usageRequirements": "Without the prefetch, the FHIR server of the hook is read; it must be registered here.",
    }
