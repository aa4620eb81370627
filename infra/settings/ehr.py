"""A hospital's EHR as a client of the gateway: its name, the issuer of its tokens, and its public keys."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.settings.fields import Section, Text, Url, matching

Base64Url = Annotated[str, matching(r"[A-Za-z0-9_-]+", "base64url without padding, as in a JSON Web Key", 2000)]
ApplicationName = Annotated[
    str, matching(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", "lower-case letters, digits and hyphens, at most 63 characters", 63)
]
_ELLIPTIC, _RSA = "EC", "RSA"


class PublicKey(Section):
    """Public key of an EHR as a JSON Web Key (RFC 7517), for RS384 or ES384, as CDS Hooks 2.0 recommends."""

    kty: Literal["EC", "RSA"] = Field(description="Key type.")
    kid: Text = Field(description="Key ID, which tokens name.")
    alg: Literal["ES384", "RS384"] = Field(description="Algorithm of the signature.")
    crv: Literal["P-384"] | None = Field(None, description="Curve of an `EC` key.")
    x: Base64Url | None = Field(None, description="First coordinate of an `EC` key.")
    y: Base64Url | None = Field(None, description="Second coordinate of an `EC` key.")
    n: Base64Url | None = Field(None, description="Modulus of an `RSA` key.")
    e: Base64Url | None = Field(None, description="Exponent of an `RSA` key.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        elliptic = self.kty == _ELLIPTIC
        own, other = ((self.crv, self.x, self.y), (self.n, self.e))[:: 1 if elliptic else -1]
        if not all(own) or any(other) or (self.alg == "ES384") != elliptic:
            raise ValueError(
                "is neither an EC key (ES384, crv, x, y) nor an RSA key (RS384, n, e); correct its members"
            )
        return self

    def jwk(self) -> dict[str, str]:
        """Return the JSON Web Key."""
        return {"use": "sig", **self.model_dump(exclude_none=True)}


class Launch(Section):
    """Registration of the worklist as a SMART app at the EHR, which launches it (SMART App Launch, EHR launch)."""

    issuer: Url = Field(description="FHIR base that the EHR names as `iss` when it launches the worklist.")
    client: Text = Field(description="Client ID of the worklist there, a public client with PKCE.")


class Ehr(Section):
    """The hospital's EHR, which calls CDS Hooks through the gateway."""

    application: ApplicationName = Field(
        description="Common name of its client certificate, and its name in the audit record."
    )
    issuer: Url = Field(description="Claim `iss` of its tokens.")
    keys: tuple[PublicKey, ...] = Field(min_length=1, description="Public keys that sign its tokens.")
    launch: Launch | None = Field(None, description="How it launches the worklist; without it, it does not.")

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the JSON Web Key Set."""
        return {"keys": [key.jwk() for key in self.keys]}
