"""Table of EHR clients: who may call the CDS service, which keys sign for them, and which FHIR servers are theirs."""

from typing import Any, Literal, Self

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from model.errors import UserError

Algorithm = Literal["ES384", "RS384", "ES256", "RS256"]
SMALLEST_RSA_BITS = 2048


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SmartLaunch(_Strict):
    """Registration of the worklist as a SMART app at an EHR.

    Parameters
    ----------
    iss
        The FHIR base that the EHR names as ``iss`` when it launches the worklist.
    client_id
        The worklist's client id there; it is a public client with PKCE.
    scope
        The scopes that it asks for.
    """

    iss: str = Field(pattern=r"^https://\S+$", max_length=500)
    client_id: str = Field(min_length=1, max_length=200)
    scope: str = Field(default="launch", max_length=500)


class EhrClient(_Strict):
    """An EHR that may call the CDS service.

    Parameters
    ----------
    name
        Name of the client in the audit record.
    iss
        The ``iss`` of its tokens.
    jwks
        Its public keys, as a JWK set.
    algorithms
        The signature algorithms that its tokens may use.
    jku
        The only ``jku`` that its tokens may name; it is not fetched, for the keys are in this table.
    fhir_servers
        FHIR bases from which records of its patients may be read.
    smart
        Registration of the worklist as a SMART app of this EHR.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    iss: str = Field(min_length=1, max_length=500)
    jwks: dict[str, Any]
    algorithms: tuple[Algorithm, ...] = Field(default=("ES384", "RS384"), min_length=1)
    jku: str | None = Field(default=None, pattern=r"^https://\S+$")
    fhir_servers: tuple[str, ...] = ()
    smart: SmartLaunch | None = None

    @model_validator(mode="after")
    def _usable_keys(self) -> Self:
        for key in self.keys.keys:
            if key.is_private:
                raise ValueError("jwks has a private key; give public keys only")
            if isinstance(key, RSAKey) and key.raw_value.key_size < SMALLEST_RSA_BITS:
                raise ValueError(f"jwks has an RSA key of less than {SMALLEST_RSA_BITS} bits; ask for a longer one")
        return self

    @property
    def keys(self) -> KeySet:
        """The public keys."""
        try:
            keys = KeySet.import_key_set({"keys": list(self.jwks.get("keys", ()))})
        except (JoseError, ValueError, TypeError, KeyError):
            raise ValueError("jwks is not a JWK set of RSA and EC keys") from None
        if not keys.keys or not all(isinstance(key, RSAKey | ECKey) for key in keys.keys):
            raise ValueError("jwks is not a JWK set of RSA and EC keys")
        return keys


_CLIENTS = TypeAdapter(tuple[EhrClient, ...])


def read_clients(text: str) -> tuple[EhrClient, ...]:
    """Read the table of EHR clients from JSON.

    Raises
    ------
    UserError
        When it is not such a table.
    """
    try:
        clients = _CLIENTS.validate_json(text)
    except ValidationError as invalid:
        faults = [
            ".".join(map(str, fault["loc"])) + ": " + fault["msg"] if fault["loc"] else fault["msg"]
            for fault in invalid.errors(include_input=False, include_url=False)
        ]
        raise UserError(f"EHR_CLIENTS is invalid: {'; '.join(faults)}.") from None
    for what in ("name", "iss"):
        if len({getattr(client, what) for client in clients}) < len(clients):
            raise UserError(f"EHR_CLIENTS: two clients have the same {what}; give each its own.")
    return clients
