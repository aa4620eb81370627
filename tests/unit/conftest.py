"""Servers that several test modules ask: a FHIR server over TLS, and an empty object store."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from model.io import s3
from tests.support.model.fhir_server import FhirServer


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirServer]:
    """One FHIR server for a module; each test resets it to what it needs."""
    made = FhirServer(tmp_path_factory.mktemp("fhir"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An object store without buckets, which the package's own client talks to."""
    for name, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    for name in ("AWS_ENDPOINT_URL", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    s3.client.cache_clear()
    with mock_aws():
        yield boto3.client("s3")
    s3.client.cache_clear()
