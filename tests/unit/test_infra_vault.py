"""What the program declares in Vault: records, logins, and a hospital's mounts."""

import dataclasses

import pytest

from infra.settings import Settings, VaultServer
from tests.unit.mocked_stack import Stack, declare, settings


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings("prod", tmp_path_factory.mktemp("prod"))


@pytest.fixture(scope="module")
def stack(prod: Settings) -> Stack:
    return declare(prod)


def test_every_request_is_recorded_twice_before_anybody_logs_in(prod: Settings, stack: Stack) -> None:
    devices = stack.of("Audit")
    assert [device.inputs["options"]["file_path"] for device in devices] == list(prod.vault.audit_files)
    assert [device.inputs["path"] for device in devices] == ["first", "second"]
    for device in devices:
        assert device.inputs["type"] == "file"
        # No raw values; those who run the server alone read the file.
        assert device.inputs["options"].keys() == {"file_path", "mode"}
        assert device.inputs["options"]["mode"] == "0600"
    names = [resource.kind for resource in stack.resources]
    assert max(i for i, kind in enumerate(names) if kind == "Audit") < names.index("AuthBackend")


def test_logins_are_limited(stack: Stack) -> None:
    [quota] = stack.of("QuotaRateLimit")
    [backend] = stack.of("AuthBackend")
    assert quota.inputs["path"] == f"auth/{backend.inputs['path']}/"
    assert 0 < quota.inputs["rate"] <= 20


def test_a_managed_vault_is_called_in_its_namespace_and_keeps_its_own_records(prod: Settings) -> None:
    stack = declare(dataclasses.replace(prod, vault=VaultServer("admin/hospitals", ())))
    [provider] = [resource for resource in stack.resources if resource.type == "pulumi:providers:vault"]
    assert provider.inputs["namespace"] == "admin/hospitals"
    with pytest.raises(LookupError):
        stack.of("Audit")
