"""Sign-in of a hospital's staff: its OpenID Connect identity provider, groups and units."""

from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from infra.settings.fields import Network, Section, Text, Url, matching
from infra.settings.network import Endpoint, network_of


class StaffRole(StrEnum):
    """Role of a member of staff, one value of the claim ``roles``."""

    COORDINATOR = "coordinator"
    MANAGER = "manager"
    AUDITOR = "auditor"


ClientId = Annotated[
    str, matching(r"[A-Za-z0-9]([A-Za-z0-9._:/-]*[A-Za-z0-9])?", "a client ID, such as north-worklist", 100)
]
GroupName = Annotated[
    str, matching(r"\w([\w .&-]*\w)?", "letters, digits, spaces, dots and hyphens, at most 60 characters", 60)
]
UnitName = Annotated[
    str, matching(r"\w([\w .&-]*\w)?", "letters, digits, spaces, dots and hyphens, at most 60 characters", 60)
]


class StaffGroups(Section):
    """Groups of the identity provider whose members have a role."""

    coordinator: GroupName = Field(
        "care-coordinators", description="Group of care coordinators, who work on the patients of their units."
    )
    manager: GroupName = Field(
        "charge-nurses", description="Group of charge nurses and managers, who also assign patients and see reports."
    )
    auditor: GroupName = Field("auditors", description="Group of auditors, who read records of access, not patients.")

    @model_validator(mode="after")
    def _one_role_each(self) -> Self:
        names = [name.casefold() for name in self.by_role().values()]
        if len(set(names)) < len(names):
            raise ValueError("names one group for two roles; give each role its own group")
        return self

    def by_role(self) -> dict[StaffRole, str]:
        """Return the group of each role."""
        return {
            StaffRole.COORDINATOR: self.coordinator,
            StaffRole.MANAGER: self.manager,
            StaffRole.AUDITOR: self.auditor,
        }


class SignIn(Section):
    """Identity provider at which a hospital's staff sign in (OpenID Connect, authorization code flow with PKCE)."""

    issuer: Url = Field(description="Issuer, claim `iss`; its discovery document is below this address.")
    authorization_uri: Url = Field(description="Authorization endpoint, to which the gateway redirects browsers.")
    token_uri: Url = Field(description="Token endpoint.")
    jwks_uri: Url = Field(description="JSON Web Key Set of the issuer.")
    network: Network | None = Field(
        None,
        description="Network that contains the addresses of these hosts; required where a host is a name.",
    )
    client: ClientId = Field(
        description="Client ID of the gateway, a public client for which the provider requires PKCE (S256)."
    )
    audience: ClientId = Field(description="Claim `aud` of access tokens; must differ from `client`.")
    second_factor: tuple[Text, ...] = Field(
        ("2",),
        min_length=1,
        description="Values of the claim `acr` of a session with a second factor; other sessions see no patient.",
    )
    groups: StaffGroups = Field(StaffGroups(), description="Groups of the identity provider, by role.")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        called = (self.issuer, self.token_uri, self.jwks_uri)
        for url in called:
            network_of(url, self.network)
        if self.network is None and len({urlsplit(url).hostname for url in called}) > 1:
            raise ValueError("has endpoints on several hosts but no network; add network, the range of all of them")
        return self

    @model_validator(mode="after")
    def _access_tokens_differ_from_id_tokens(self) -> Self:
        if self.audience == self.client:
            raise ValueError(
                f"has the client {self.client} as its audience, so that ID tokens would pass as access tokens; name "
                "another audience"
            )
        return self

    @property
    def endpoint(self) -> Endpoint:
        """The server of the issuer."""
        return Endpoint(url=self.issuer, answers_from=self.network)
