"""Requests and answers of the planning service, as its OpenAPI document has them.

A score of the release and a rank by LACE are two different objects: only a score has ``risk`` and ``decision``, only a
rank has ``lace``, so neither can be read as the other.
"""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.config import JsonDict

from model.definitions.features import definitions
from services.audit.records.fields import Pseudonym
from services.planning.feedback import codes
from services.planning.lace import MOST_POINTS
from services.planning.model_client import FallbackReason
from services.workflows import Purpose, table

MOST_ENCOUNTERS = 100
"""Encounters of one request."""
MOST_SCORES = 100
"""Scores of a history."""
MOST_RECORD = 2**63 - 1

_NAMES = tuple(definitions().names)
_WORKFLOWS = tuple(table().workflows)
_PURPOSES = tuple(purpose.value for purpose in Purpose)
_EXAMPLE: JsonDict = {"encounter": "v1-4bf8edc5c7e17", "patient": "v1-9fcc3d79bb669"}


def _one_of(names: tuple[str, ...]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise ValueError("not one of the names of the schema")
        return name

    return AfterValidator(check)


def _enumeration(names: tuple[str, ...], description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(names), "description": description})


FeatureName = Annotated[str, _one_of(_NAMES), _enumeration(_NAMES, "A feature of features.yaml.")]
WorkflowName = Annotated[str, _one_of(_WORKFLOWS), _enumeration(_WORKFLOWS, "A workflow of workflows.yaml.")]
FeedbackCode = Annotated[
    str, _one_of(tuple(codes())), _enumeration(tuple(codes()), "A code of feedback.yaml: what the clinician did.")
]
PurposeCode = Annotated[
    str,
    _one_of(_PURPOSES),
    _enumeration(_PURPOSES, "Purpose of use, HL7 v3 PurposeOfUse: that of the workflow."),
]
Cohort = Literal["canary"]
Number = Annotated[float, Field(allow_inf_nan=False)]
Hours = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EncounterRequest(_Request):
    """An encounter to score: with its features, or to be looked up in the online features."""

    encounter: Pseudonym = Field(description="Pseudonym of the encounter.")
    patient: Pseudonym = Field(description="Pseudonym of the patient.")
    features: Annotated[dict[FeatureName, Number | None], Field(max_length=len(_NAMES))] | None = Field(
        None,
        description="Values by feature: null where nothing was recorded. A feature of the release that is absent is "
        "missing, and the encounter is not scored. null: the online features have them.",
    )
    features_as_of_hours: Hours | None = Field(
        None, description="Age of the given features. Given features without an age count as stale."
    )
    missing: list[FeatureName] = Field(
        default=[], max_length=len(_NAMES), description="Features that could not be computed, whatever their value."
    )
    cohort: Cohort | None = Field(
        None, description="canary: a canary that takes only some units may answer. The unit itself is not sent."
    )


class ScoreRequest(_Request):
    """Encounters to score for one use."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"workflow": "discharge-worklist", "purpose": "TREAT", "encounters": [_EXAMPLE]}}
    )

    workflow: WorkflowName
    purpose: PurposeCode
    encounters: list[EncounterRequest] = Field(
        min_length=1, max_length=MOST_ENCOUNTERS, description="Each encounter once."
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({one.encounter for one in self.encounters}) != len(self.encounters):
            raise ValueError("an encounter is listed twice")
        return self


class Reason(_Answer):
    """Contribution of one feature to the risk, in clinicians' words."""

    feature: str
    text: str = Field(description="Meaning, value and effect in words.")
    value: float | str | None = Field(description="null: not recorded.")
    effect: Literal["raises", "lowers"]


class Release(_Answer):
    """The release that answered."""

    model: str
    version: str
    digest: str = Field(description="The whole SHA-256 digest of the release.")
    preprocessing: str = Field(description="SHA-256 of the preprocessing and model.")
    schema_version: int = Field(description="Version of the feature definitions.")
    return_days: int = Field(ge=1, description="Readmission window of the risk, in days.")
    evaluated: bool = Field(description="false: the model's performance is unknown.")
    caution: str = Field(description="What to show with the risk; empty: nothing.")


class Approval(_Answer):
    """An approval of the release and its thresholds."""

    kind: Literal["clinical", "ethics"]
    role: str
    name: str


class Threshold(_Answer):
    """The threshold that decided, and who approved it."""

    band: str
    risk_from: float = Field(description="The least risk of the band.")
    approved_by: list[Approval] = Field(description="Empty: nobody approved it for use on patients.")


class _Ranked(_Answer):
    encounter: Pseudonym
    rank: int = Field(ge=1, description="Place in the order of the list: 1 is shown first.")
    freshness_hours: float | None = Field(ge=0, description="Age of the features; null: not known.")
    record: int = Field(ge=1, description="Sequence of the audit record.")


class Scored(_Ranked):
    """A score of an assigned release: the active one, or a canary."""

    status: Literal["scored"] = "scored"
    risk: float = Field(ge=0, le=1, description="Probability of an unplanned return.")
    decision: str = Field(description="The band of the risk. It proposes; a clinician decides.")
    action: str
    reasons: list[Reason]
    warnings: list[str] = Field(description="Values outside of the range of the training data.")
    release: Release
    threshold: Threshold


class LaceParts(_Answer):
    """Points of the LACE index (van Walraven 2010): length of stay, acuity, comorbidity, emergency visits."""

    length: int = Field(ge=0, le=7)
    acuity: int = Field(ge=0, le=3)
    comorbidity: int = Field(ge=0, le=5)
    visits: int = Field(ge=0, le=4)


class Fallback(_Ranked):
    """No score: the release could not answer, and the LACE index ranks the patient."""

    status: Literal["fallback"] = "fallback"
    lace: int = Field(ge=0, le=MOST_POINTS, description="LACE index; points, and not a probability.")
    lace_parts: LaceParts | None = Field(description="null: the index is that of the features file.")
    fallback_reason: FallbackReason
    approximations: list[str] = Field(description="How this index differs from the published one.")


class NotScored(_Ranked):
    """No score and no rank: shown before all others, because nothing is known of the risk."""

    status: Literal["not-scored"] = "not-scored"
    not_scored_reason: Literal["no-features", "features-missing", "features-invalid", "lace-inputs-missing"]
    missing: list[str] = Field(description="The features that are missing or impossible.")
    fallback_reason: FallbackReason | None = Field(description="Why LACE was tried; null: it was not.")


AnyScore = Annotated[Scored | Fallback | NotScored, Field(discriminator="status")]


class ScoreResponse(_Answer):
    """The encounters in the order in which to show them: not scored, ranked by LACE, scored; highest first."""

    scores: list[AnyScore]


class PastScore(_Answer):
    """A score that was answered before."""

    record: int
    scored_at: datetime
    workflow: str
    status: Literal["scored", "fallback", "not-scored"]
    risk: float | None
    decision: str | None
    lace: int | None
    reasons: list[Reason]
    model: str | None
    version: str | None
    digest: str | None
    threshold: float | None
    freshness_hours: float | None
    fallback_reason: str | None
    not_scored_reason: str | None


class PastFeedback(_Answer):
    """Feedback on a score."""

    record: int
    received_at: datetime
    workflow: str
    code: str


class History(_Answer):
    """Scores of one encounter and the feedback on them, the newest first."""

    encounter: Pseudonym
    scores: list[PastScore]
    feedback: list[PastFeedback]


class FeedbackRequest(_Request):
    """Feedback of a clinician to a score; coded, without text."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "workflow": "feedback",
                "purpose": "TREAT",
                "encounter": _EXAMPLE["encounter"],
                "record": 17,
                "code": "accepted",
            }
        }
    )

    workflow: WorkflowName
    purpose: PurposeCode
    encounter: Pseudonym
    record: int = Field(ge=1, le=MOST_RECORD, description="The record of the score.")
    code: FeedbackCode


class FeedbackResponse(_Answer):
    """The feedback is on record."""

    record: int = Field(ge=1, description="Sequence of the audit record of this request.")
    repeated: bool = Field(description="Whether the same feedback was received before.")


class Health(_Answer):
    """Liveness of the service."""

    status: Literal["ok"] = "ok"


class Readiness(_Answer):
    """Readiness of the service; without release or features it answers by LACE, or not at all."""

    status: Literal["ready"] = "ready"
    release: bool = Field(description="Whether the assigned release was read.")
    online_features: bool = Field(description="Whether the features file was read.")
