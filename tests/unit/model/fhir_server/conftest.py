"""A FHIR server that holds seven resources of each type, and knows the key of an EHR's client."""

import pytest
from joserfc.jwk import RSAKey

from tests.support.model.fhir_export import KEY
from tests.support.model.fhir_server import FhirServer


@pytest.fixture
def server(running: FhirServer) -> FhirServer:
    running.reset()
    running.public_keys["north-ehr", "key-1"] = RSAKey.import_key(KEY.as_dict(private=False))
    running.fill(7)
    return running
