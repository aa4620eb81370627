"""Releases of a hospital: which one answers, which are tried beside it, and which one the next Job publishes."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from infra.settings.fields import Section, Text, Written, matching
from infra.settings.sign_in import UnitName

FIRST_MODEL = "readmission-risk"
"""Name of the model that the roles of an entry are of, and of which every release is a version."""


@dataclass(frozen=True)
class Release:
    """Model release: the version that clients name and the digest of its content."""

    version: str
    digest: str

    def __str__(self) -> str:
        return f"{self.version}@{self.digest}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Return a release from its text, version@digest."""
        if not re.fullmatch(r"v[1-9]\d{0,3}@[0-9a-f]{12}", text):
            raise ValueError(text)
        version, _, digest = text.partition("@")
        return cls(version, digest)


class ReleaseRole(StrEnum):
    """Role of a release in a hospital; the name of its field in the hospital's entry."""

    ACTIVE = "release"
    CANARY = "canary"
    SHADOW = "shadow"
    PREVIOUS = "previous"


ReleaseName = Annotated[
    Release, Written("version@digest as the release step printed it, such as v1@3f9c2d4be071", Release.read)
]

CandidateDigest = Annotated[
    str, matching(r"[0-9a-f]{12}", "the 12 digits that the training Job printed, such as 3f9c2d4be071")
]
ModelName = Annotated[
    str,
    matching(
        r"[a-z](-?[a-z0-9])*",
        "lower-case letters, digits and single hyphens, starting with a letter, at most 32 characters",
        32,
    ),
]
ReleaseVersion = Annotated[str, matching(r"v[1-9][0-9]{0,3}", "a version such as v1")]
Approver = Annotated[
    str, matching(r"[a-z][a-z0-9-]*:[^\x00-\x1f\x7f]+", "ROLE:NAME, such as clinical-safety-officer:jane.doe")
]


class Promotion(Section):
    """Approved candidate that the next run of the `release` Job publishes."""

    candidate: CandidateDigest = Field(description="Digest of the candidate, as the training Job printed it.")
    version: ReleaseVersion = Field("v1", description="Version of the release.")
    approved_by: Approver = Field(description="Approver, as `ROLE:NAME`; the role is one that the gates profile names.")
    reason: Text = Field(description="Reason for the approval.")
    ethics_approved_by: Approver | None = Field(
        None, description="Who approved the thresholds for the ethics committee, as `ROLE:NAME`."
    )
    ethics_reason: Text | None = Field(None, description="The committee's opinion or its reference.")

    @model_validator(mode="after")
    def _ethics_whole(self) -> Self:
        if (self.ethics_approved_by is None) != (self.ethics_reason is None):
            raise ValueError("has one of ethicsApprovedBy and ethicsReason; give both, or neither")
        return self


class Canary(Section):
    """Release that answers a share of the encounters, before it is promoted."""

    release: ReleaseName = Field(description="The release; it needs the same gates and approvals as `release`.")
    percent: int = Field(
        ge=1, le=50, description="Share of the encounters that it answers; an encounter keeps its release."
    )
    units: tuple[UnitName, ...] = Field(
        (), description="Units to which it is limited, of the hospital's `units`; all where none is named."
    )


class Shadow(Section):
    """Release that gets copies of requests and answers nobody; differences of its scores are recorded."""

    release: ReleaseName = Field(description="The release; it needs the same gates and approvals as `release`.")
    percent: int = Field(100, ge=1, le=100, description="Share of the encounters whose requests are copied.")


class FurtherModel(Section):
    """Model that is served beside the first one, to applications of its own."""

    name: ModelName = Field(description="Name by which applications ask it: `/v1/models/NAME/scores`.")
    release: ReleaseName = Field(description="Its release; it needs the same gates and approvals as `release`.")
    applications: tuple[Text, ...] = Field(
        min_length=1,
        description="Claim `client_id` of the programs that may ask this model; those of the entry's `applications` "
        "may not, unless they are named here too.",
    )

    @model_validator(mode="after")
    def _each_application_once(self) -> Self:
        repeated = next((one for one in self.applications if self.applications.count(one) > 1), None)
        if repeated is not None:
            raise ValueError(f"names the application {repeated} more than once; keep one")
        return self
