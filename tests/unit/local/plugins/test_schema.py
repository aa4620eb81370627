"""The schemas of the plugins: every type of their tables, and no property that is of the engine."""

import json
from typing import Any

import pytest

from local.plugins.aws_provider import AwsProvider
from local.plugins.provider.tables import TableProvider
from local.plugins.vault_provider import VaultProvider


@pytest.mark.parametrize("provider", [AwsProvider(), VaultProvider()], ids=lambda provider: str(provider.name))
def test_every_type_is_there_with_its_required_inputs(provider: TableProvider[Any]) -> None:
    schema = json.loads(provider.schema())
    assert (schema["name"], schema["version"]) == (provider.name, provider.version)
    assert schema["resources"].keys() == provider.rows.keys()
    for token, resource in schema["resources"].items():
        assert resource["requiredInputs"] == sorted(provider.rows[token].required)
        assert set(resource["requiredInputs"]) <= resource["inputProperties"].keys()
        assert set(resource["required"]) <= resource["properties"].keys()
        assert not {"id", "urn"} & (resource["inputProperties"].keys() | resource["properties"].keys())
