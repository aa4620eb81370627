"""An EHR for tests: its keys, its row in the table of EHR clients, and its signed tokens."""

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from services.care.ehr_clients import EhrClient

ISS = "https://ehr.north.example"
FHIR = "https://fhir.north.example/r4"
ALGORITHMS = ["ES384", "ES256", "HS256", "RS256"]


@dataclass
class Ehr:
    """One EHR.

    Parameters
    ----------
    iss
        The issuer of its tokens.
    key
        Its private key.
    fhir
        Its FHIR base.
    """

    iss: str = ISS
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-384", {"kid": "ehr-1"}))
    fhir: str = FHIR
    smart_iss: str | None = None

    @property
    def row(self) -> dict[str, Any]:
        """Its row of the table."""
        row: dict[str, Any] = {
            "name": "north-ehr",
            "iss": self.iss,
            "jwks": {"keys": [self.key.as_dict(private=False)]},
            "fhir_servers": [self.fhir],
        }
        if self.smart_iss:
            row["smart"] = {"iss": self.smart_iss, "client_id": "north-worklist"}
        return row

    @property
    def client(self) -> EhrClient:
        """Its row as it is read."""
        return EhrClient.model_validate(self.row)

    def token(self, audience: str, /, *, key: Any = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token as CDS Hooks describes it; a claim of None is left out."""
        now = int(time.time())
        usual = {"iss": self.iss, "aud": audience, "iat": now, "exp": now + 300, "jti": str(uuid.uuid4())}
        content = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode(
            {"alg": "ES384", "typ": "JWT", "kid": "ehr-1"} | (header or {}),
            content,
            key or self.key,
            algorithms=ALGORITHMS,
        )


def clients(*ehrs: Ehr) -> str:
    """Return the table of EHR clients, as the variable EHR_CLIENTS has it."""
    return json.dumps([ehr.row for ehr in ehrs])
