"""The gateway through which a hospital's EHR, programs and people reach its services from outside the cluster."""

from typing import Literal

from pydantic import Field

from infra.settings.fields import DomainName, Network, Section, Text, Url
from infra.settings.network import Endpoint

_HTTPS = 443


class Gateway(Section):
    """Gateway for hospitals' programs, whose tokens name one of the ``applications`` of the hospital's entry."""

    domain: DomainName | Literal["localhost"] = Field(
        description="Domain of the hosts `HOSPITAL.DOMAIN`, for people, and `HOSPITAL.api.DOMAIN`, for programs."
    )
    port: int = Field(443, ge=1, le=65535, description="Port by which clients reach the gateway.")
    issuer: Url = Field(description="Claim `iss` of the tokens.")
    jwks_uri: Url = Field(description="JSON Web Key Set of the issuer.")
    network: Network = Field(description="Network that contains the addresses of `jwksUri`.")
    audience: Text = Field(description="Claim `aud` of the tokens.")

    @property
    def jwks(self) -> Endpoint:
        """The server of the JSON Web Key Set."""
        return Endpoint(url=self.jwks_uri, answers_from=self.network)

    def machine_host(self, hospital: str) -> str:
        """Return the host name for a hospital's EHR and programs."""
        return f"{hospital}.api.{self.domain}"

    def browser_host(self, hospital: str) -> str:
        """Return the host name for a hospital's people."""
        return f"{hospital}.{self.domain}"

    def machine_url(self, hospital: str) -> str:
        """Return the URL below which a hospital's EHR and programs call."""
        return self._url(self.machine_host(hospital))

    def browser_url(self, hospital: str) -> str:
        """Return the URL below which a hospital's pages are."""
        return self._url(self.browser_host(hospital))

    def _url(self, host: str) -> str:
        return f"https://{host}" if self.port == _HTTPS else f"https://{host}:{self.port}"
