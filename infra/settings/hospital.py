"""A hospital's entry: its FHIR source, releases, retention, contact, replicas and KMS keys."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.settings.ehr import Ehr
from infra.settings.fields import (
    Duration,
    Email,
    HospitalName,
    KeyAlias,
    Network,
    Section,
    Text,
    TimeZone,
    Url,
    matching,
    retention_days,
)
from infra.settings.network import port
from infra.settings.releases import (
    FIRST_MODEL,
    Approver,
    Canary,
    FurtherModel,
    Promotion,
    Release,
    ReleaseName,
    ReleaseRole,
    Shadow,
)
from infra.settings.resources import Resources
from infra.settings.sign_in import SignIn, UnitName


class DataClass(StrEnum):
    """Class of the data in a bucket, which determines its KMS key and retention."""

    RAW = "raw"
    CURATED = "curated"
    MODELS = "models"
    AUDIT = "audit"
    IDENTITY = "identity"


class Leaving(StrEnum):
    """Stage of a hospital's departure.

    ``closed``: its workloads are removed, and only the data-export role reads its data. ``released``: data without a
    legal retention may be destroyed, which removing the entry does.
    """

    CLOSED = "closed"
    RELEASED = "released"


Title = Annotated[str, matching(r"[^\x00-\x1f\x7f]+", "text of at most 80 characters", 80)]


class DatabaseRemoval(Section):
    """Approved removal of a leaving hospital's databases, by the `database-removal` Job."""

    approved_by: Approver = Field(description="Approver, as `ROLE:NAME`, such as `privacy-officer:jane.doe`.")
    reason: Text = Field(description="Reason for the approval, such as the agreement that ended.")


class Fhir(Section):
    """Source of a hospital's records: a FHIR server, or a folder of bundles."""

    url: Url | None = Field(None, description="Base URL of the FHIR server; give either `url` or `path`.")
    path: Text | None = Field(None, description="Folder of FHIR bundles.")
    auth: Literal["smart-backend-services", "client-secret", "mutual-tls", "none"] | None = Field(
        None, description="How the pipeline authenticates to the FHIR server; required with `url`."
    )
    client: Text | None = Field(
        None, description="Client ID at the FHIR server; required with `smart-backend-services` and `client-secret`."
    )

    write_back: bool = Field(
        False,
        description="Whether scores are written to the FHIR server as RiskAssessments, with credentials that an "
        "operator writes to `HOSPITAL/kv/fhir-write-back` in Vault.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.url is None) == (self.path is None):
            raise ValueError("needs one of url (a FHIR server) and path (a folder of bundles); give exactly one")
        if self.url is None and (self.auth or self.client or self.write_back):
            raise ValueError("has auth, client or writeBack, which only a url needs; remove them")
        if self.url and self.auth is None:
            raise ValueError("has a url without auth; add how the pipeline authenticates to its server, or none")
        if (self.auth in ("smart-backend-services", "client-secret")) != (self.client is not None):
            raise ValueError(f"has auth {self.auth}; give client only with smart-backend-services and client-secret")
        return self

    @property
    def port(self) -> int:
        """The port of the FHIR server."""
        return port(self.url or "")


class Retention(Section):
    """Retention of a hospital's data."""

    raw: Duration = Field("30d", description="Retention of raw files.")
    curated: Duration = Field("6y", description="Retention of curated tables and of the identity store.")

    @property
    def raw_days(self) -> int:
        """The retention of raw files in days."""
        return retention_days(self.raw)

    @property
    def curated_days(self) -> int:
        """The retention of curated tables in days."""
        return retention_days(self.curated)


class Contact(Section):
    """Contacts of a hospital, and the agreement under which its data is processed."""

    security: Email = Field(description="E-mail address of the hospital's security contact.")
    baa: Text = Field(description="Name of the business associate agreement.")
    notices: Email | None = Field(
        None, alias="notify", description="E-mail address that is notified within 24 hours; `security` by default."
    )

    @property
    def notify(self) -> str:
        """The e-mail address that is notified within 24 hours."""
        return self.notices or self.security


class Replicas(Section):
    """Number of model servers."""

    min: int = Field(1, ge=1, le=50, description="Minimum number of model servers; production needs 2.")
    max: int = Field(2, ge=1, le=50, description="Maximum number of model servers.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"has min {self.min} above max {self.max}; swap them")
        return self


class Hospital(Section):
    """Entry of a hospital."""

    name: HospitalName = Field(description="Name of the hospital; part of every bucket, key, role and namespace.")
    title: Title | None = Field(None, description="Its name on the pages of the worklist; `name` by default.")
    fhir: Fhir = Field(description="Source of its records.")
    release: ReleaseName | None = Field(
        None, description="Model release that it serves; without one it has no InferenceService."
    )
    canary: Canary | None = Field(
        None, description="Release that answers a share of the encounters, before it is promoted."
    )
    shadow: Shadow | None = Field(None, description="Release that gets copies of requests and answers nobody.")
    previous: ReleaseName | None = Field(
        None, description="Release that was served before and is kept warm, to which a rollback returns."
    )
    models: tuple[FurtherModel, ...] = Field(
        (), max_length=8, description="Models that it serves beside the first one, each to applications of its own."
    )
    promotion: Promotion | None = Field(
        None, description="Approved candidate that the next run of the `release` Job publishes."
    )
    retention: Retention = Field(Retention(), description="How long its data is kept.")
    contact: Contact | None = Field(None, description="Contacts and agreement; required in production.")
    network: Network | None = Field(
        None, description="Network of the hospital, from which its FHIR server answers and its programs connect."
    )
    replicas: Replicas = Field(Replicas(), description="Number of its model servers.")
    resources: Resources | None = Field(None, description="Size of its model server; `sizes.modelServer` by default.")
    applications: tuple[Text, ...] = Field(
        (), description="Claim `client_id` of its programs that may call the gateway; required with `gateway`."
    )
    ehr: Ehr | None = Field(None, description="Its EHR, which calls CDS Hooks through the gateway.")
    sign_in: SignIn | None = Field(
        None, description="Identity provider at which its staff sign in; without one it has no worklist."
    )
    units: tuple[UnitName, ...] = Field(
        (), description="Names of its units, values of the claim `units`; required with `signIn`."
    )
    time_zone: TimeZone | None = Field(
        None, description="Time zone of the hospital, in which FHIR dates without a time are read."
    )
    leaving: Leaving | None = Field(
        None,
        description="Stage of its departure: `closed` removes its workloads and keeps its data, `released` lifts the "
        "protection of data without a legal retention. docs/production.md describes the steps.",
    )
    database_removal: DatabaseRemoval | None = Field(
        None,
        description="Approved removal of its databases and roles in PostgreSQL; only with `leaving: released`. A Job "
        "that an operator starts performs it, and keeps the audit database.",
    )
    keys: Mapping[DataClass, KeyAlias] = Field(
        {}, description="Aliases of its KMS keys by class of data; made from environment and name by default."
    )

    @model_validator(mode="after")
    def _units_of_staff(self) -> Self:
        # An EHR writes a unit with a space where sign-in has a hyphen, or in capitals.
        names = [unit.casefold().replace("-", " ") for unit in self.units]
        repeated = next((unit for unit, name in zip(self.units, names, strict=True) if names.count(name) > 1), None)
        if repeated is not None:
            raise ValueError(f"names the unit {repeated} more than once; keep one")
        if self.sign_in and not self.units:
            raise ValueError("has signIn but no units; add units, the names of the units whose staff sign in")
        return self

    @model_validator(mode="after")
    def _models_are_told_apart(self) -> Self:
        if self.models and self.release is None:
            raise ValueError("has models but no release; add release, which is the first model's")
        names = [model.name for model in self.models]
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise ValueError(f"names the model {repeated} more than once; choose another name")
        of_first = next((name for name in names if f"{name}-".startswith(f"{FIRST_MODEL}-")), None)
        if of_first is not None:
            raise ValueError(
                f"names the model {of_first}, and releases of the first model are named {FIRST_MODEL}-VERSION; choose "
                "another name"
            )
        return self

    @model_validator(mode="after")
    def _releases_are_told_apart(self) -> Self:
        others = [role for role in self.roles if role is not ReleaseRole.ACTIVE]
        if others and self.release is None:
            raise ValueError(
                f"has {' and '.join(others)} but no release; add release, which answers all other encounters"
            )
        by_version: dict[str, str] = {}
        named = [(str(role), release) for role, release in self.roles.items()]
        for role, release in (*named, *((f"the model {one.name}", one.release) for one in self.models)):
            other = by_version.setdefault(release.version, role)
            if other != role:
                raise ValueError(
                    f"names {release.version} as {other} and as {role}; a version is one model server, so remove one "
                    "of the two, or release the model again with a version of its own"
                )
        unknown = [unit for unit in (self.canary.units if self.canary else ()) if unit not in self.units]
        if unknown:
            raise ValueError(
                f"names the unit {unknown[0]} in canary.units, which is none of its units; correct it, or add it "
                "to units"
            )
        return self

    @model_validator(mode="after")
    def _databases_are_removed_last(self) -> Self:
        if self.database_removal and self.leaving is not Leaving.RELEASED:
            raise ValueError("has databaseRemoval, which needs leaving: released; remove it, or release the hospital")
        return self

    @model_validator(mode="after")
    def _launch_can_be_answered(self) -> Self:
        launch = self.ehr.launch if self.ehr else None
        if launch and not (self.fhir.url and port(launch.issuer) == self.fhir.port):
            raise ValueError(
                "has ehr.launch but no fhir.url on the same port; care connects to the port of fhir.url alone, so "
                "correct one of the two"
            )
        return self

    @property
    def roles(self) -> dict[ReleaseRole, Release]:
        """The first model's releases by what they do; each has a model server of its own."""
        named = {
            ReleaseRole.ACTIVE: self.release,
            ReleaseRole.CANARY: self.canary.release if self.canary else None,
            ReleaseRole.SHADOW: self.shadow.release if self.shadow else None,
            ReleaseRole.PREVIOUS: self.previous,
        }
        return {role: release for role, release in named.items() if release}

    @property
    def releases(self) -> tuple[Release, ...]:
        """Its releases of the first model and of each further one; each release has a model server of its own."""
        return (*self.roles.values(), *(model.release for model in self.models))

    @property
    def client_certificates(self) -> tuple[str, ...]:
        """Common names of the client certificates that its certificate authority may issue."""
        further = (application for model in self.models for application in model.applications)
        ehr = (self.ehr.application,) if self.ehr else ()
        return tuple(dict.fromkeys((*self.applications, *further, *ehr)))
