"""Exports from the FHIR server under test, with the credentials of an EHR's client."""

import json
from pathlib import Path
from typing import Any

from joserfc.jwk import RSAKey

from model.fhir.discovery import LANDING_STATE as STATE
from model.fhir_server import Landed, land
from model.fhir_server.credentials import Auth, Credentials
from tests.support.model.fhir_server import FhirServer

KEY = RSAKey.generate_key(2048, {"kid": "key-1"})
LATER = "2025-01-11T00:00:00Z"


def credentials(server: FhirServer) -> Credentials:
    return Credentials(auth=Auth.SMART, client="north-ehr", key=dict(KEY.as_dict(private=True)), ca=server.ca)


def run(server: FhirServer, place: Path, **options: Any) -> Landed:
    return land(server.base, str(place), credentials=credentials(server), clock=server.time.clock(), **options)


def state(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / STATE).read_text())
    return found
