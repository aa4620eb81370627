"""The releases that the hospital's entry assigns to planning, by role and model: the variable ``RELEASES``, in JSON."""

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.verified_release import AssignedRelease

FIRST_MODEL = "readmission-risk"
"""The model that the roles are of: each release of it is named so with its version."""


class Role(StrEnum):
    """Role of a release in the hospital."""

    ACTIVE = "active"
    CANARY = "canary"
    SHADOW = "shadow"
    PREVIOUS = "previous"


ModelName = Annotated[str, Field(pattern=r"^[a-z](-?[a-z0-9])*$", max_length=32)]


class Assigned(BaseModel):
    """A release and the server that has it.

    Parameters
    ----------
    release
        Version and digest, as ``v1@0123456789ab``.
    model
        The model's name on its server.
    url
        The model server.
    files
        Folder or S3 prefix of the release's files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    release: AssignedRelease
    model: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    url: str = Field(pattern=r"^https?://[^\s]+$")
    files: str = Field(min_length=1)

    @property
    def digest(self) -> str:
        """The digest, as far as the release names it."""
        return self.release.partition("@")[2]

    @property
    def inference_url(self) -> str:
        """The address that the model is asked at."""
        return f"{self.url.rstrip('/')}/v2/models/{self.model}/infer"


class AssignedCanary(Assigned):
    """A release that answers a share of the encounters.

    Parameters
    ----------
    percent
        The share, of the encounters that it may take. At most half, so that the active release answers at least as
        many: what the canary is compared with.
    cohort
        Whether it takes only encounters that care sends with the cohort ``canary``.
    """

    percent: int = Field(ge=1, le=50)
    cohort: bool = False


class AssignedShadow(Assigned):
    """A release that gets copies of requests and answers none.

    Parameters
    ----------
    percent
        The share of encounters that are copied.
    """

    percent: int = Field(ge=1, le=100)


class Releases(BaseModel):
    """The hospital's releases by role; without an active one every encounter is ranked by LACE.

    Parameters
    ----------
    active
        Answers.
    canary
        Answers a share of the encounters in its place.
    shadow
        Gets copies, and answers nobody.
    previous
        Was active before; its server is kept ready for a rollback.
    models
        Further models by the name under which they are asked, each with its release.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    active: Assigned | None = None
    canary: AssignedCanary | None = None
    shadow: AssignedShadow | None = None
    previous: Assigned | None = None
    models: dict[ModelName, Assigned] = {}

    @model_validator(mode="after")
    def _roles_fit(self) -> Self:
        if self.active is None and (self.canary or self.shadow):
            raise ValueError("a canary or a shadow needs an active release, which it is compared with")
        if any(f"{name}-".startswith(f"{FIRST_MODEL}-") for name in self.models):
            raise ValueError(f"the name of a further model does not begin with {FIRST_MODEL}, as those of the first do")
        digests = [assigned.digest[:12] for assigned in self.all()]
        if len(set(digests)) != len(digests):
            raise ValueError("a release has one role, or is a further model's")
        return self

    def by_role(self) -> Iterator[tuple[Role, Assigned]]:
        """Yield the releases with their roles."""
        for role in Role:
            assigned: Assigned | None = getattr(self, role.value)
            if assigned is not None:
                yield role, assigned

    def all(self) -> list[Assigned]:
        """Return the releases of all roles and models."""
        return [*(assigned for _, assigned in self.by_role()), *self.models.values()]


def _parsed(value: object) -> object:
    """Return the object of a JSON text, which is what an environment variable can hold."""
    if not isinstance(value, str):
        return value
    try:
        content: object = json.loads(value)
    except ValueError:
        raise ValueError("not JSON") from None
    return content


ReleasesVariable = Annotated[Releases, BeforeValidator(_parsed)]
