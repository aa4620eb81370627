"""The gateway through which hospitals' programs call their models from outside the cluster."""

from pydantic import Field

from infra.settings.fields import DomainName, Network, Text, Url
from infra.settings.network import Endpoint
from infra.settings.section import Section


class Gateway(Section):
    """Gateway for hospitals' programs, whose tokens name one of the ``applications`` of the hospital's entry."""

    domain: DomainName = Field(description="Domain below which each hospital has a host name.")
    issuer: Url = Field(description="Claim `iss` of the tokens.")
    jwks_uri: Url = Field(description="JSON Web Key Set of the issuer.")
    network: Network = Field(description="Network that contains the addresses of `jwksUri`.")
    audience: Text = Field(description="Claim `aud` of the tokens.")
    requests_per_minute: int = Field(600, ge=1, le=100_000, description="Maximum number of requests of a hospital.")

    @property
    def jwks(self) -> Endpoint:
        """The server of the JSON Web Key Set."""
        return Endpoint(url=self.jwks_uri, answers_from=self.network)

    def host(self, hospital: str) -> str:
        """Return the host name of a hospital's gateway."""
        return f"{hospital}.{self.domain}"
