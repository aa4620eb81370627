"""Requests of CDS Hooks 2.0 as they come from an EHR, and the description of our service (https://cds-hooks.hl7.org/2.0/)."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs, PydanticKnownError

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
    # The specification's names are in camel case. It lets an EHR send more; that is not read.
    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel)


class DischargeContext(_Part):
    """Context of ``encounter-discharge``."""

    user_id: str = Field(min_length=1, max_length=200)
    patient_id: FhirId
    encounter_id: FhirId


class FhirAuthorization(BaseModel):
    """An access token for the EHR's FHIR server."""

    # OAuth 2.0 names the fields.
    model_config = ConfigDict(extra="ignore", frozen=True)

    access_token: str = Field(min_length=1, max_length=20_000, repr=False)
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str
    subject: str


# A dataclass: of a model that is a whole body, FastAPI takes each field by itself, and pydantic warns of its alias.
@dataclass(config=ConfigDict(extra="ignore", alias_generator=to_camel), frozen=True)
class HookRequest:
    """A call of the hook."""

    hook: Literal["encounter-discharge"]
    hook_instance: UUID
    context: DischargeContext
    fhir_server: str | None = Field(default=None, max_length=500)
    fhir_authorization: FhirAuthorization | None = None
    prefetch: dict[str, object] | None = None

    @model_validator(mode="before")
    @classmethod
    def _require_object(cls, value: object) -> object:
        # Refused as other bodies are: a client is not told what is a dataclass here.
        if isinstance(value, dict | ArgsKwargs):
            return value
        raise PydanticKnownError("model_attributes_type")


class Coding(_Part):
    """A code that an EHR gives back."""

    code: str = Field(min_length=1, max_length=100)
    system: str | None = Field(default=None, max_length=500)
    display: str | None = Field(default=None, max_length=500)


class OverrideReason(_Part):
    """Override reason of a card: a code of ours, and what the clinician wrote."""

    reason: Coding | None = None
    user_comment: str | None = Field(default=None, max_length=LONGEST_COMMENT)


class AcceptedSuggestion(_Part):
    """A suggestion that was accepted; our cards have none."""

    id: UUID


class CardFeedback(_Part):
    """Feedback of a clinician to a card."""

    card: UUID
    outcome: Literal["accepted", "overridden"]
    outcome_timestamp: AwareDatetime
    accepted_suggestions: list[AcceptedSuggestion] = Field(default=[], max_length=MOST_FEEDBACK)
    override_reason: OverrideReason | None = None


class FeedbackRequest(BaseModel):
    """Feedback on cards."""

    model_config = ConfigDict(extra="ignore", frozen=True)

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
