"""The audit devices of a real server, as the variables of the environment name it."""

from pathlib import Path

import hvac
import pytest

from local.cluster import openbao
from policy_pack.errors import PackError
from policy_pack.evidence.vault_server import audit_devices, permissions
from policy_pack.stack.live import VAULT, Permission
from tests.support.vault.openbao_server import free_url, home_with_certificates, server


@pytest.mark.process
def test_the_devices_of_a_server_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, url = home_with_certificates(tmp_path), free_url()
    with server(home, url):
        monkeypatch.setenv("VAULT_ADDR", url)
        monkeypatch.setenv("VAULT_CACERT", str(home.pki / "ca.crt"))
        monkeypatch.setenv("VAULT_TOKEN", openbao.initialise_and_unseal(home, url))
        found = {device.name: device for device in audit_devices()}
        assert {name: dict(device.options) for name, device in found.items()} == openbao.audit_options(
            openbao.folder(home)
        )
        monkeypatch.setenv("VAULT_TOKEN", "none")
        with pytest.raises(PackError, match=r"\(Forbidden\); its token needs read and sudo"):
            audit_devices()


@pytest.mark.process
def test_policies_logins_and_roles_of_a_server_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, url = home_with_certificates(tmp_path), free_url()
    with server(home, url):
        token = openbao.initialise_and_unseal(home, url)
        monkeypatch.setenv("VAULT_ADDR", url)
        monkeypatch.setenv("VAULT_CACERT", str(home.pki / "ca.crt"))
        monkeypatch.setenv("VAULT_TOKEN", token)
        before = set(permissions())
        client = hvac.Client(url=url, token=token, verify=str(home.pki / "ca.crt"))
        rule = 'path "north/kv/*" { capabilities = ["read"] }'
        client.adapter.put("/v1/sys/policies/acl/rogue", json={"policy": rule})
        client.adapter.post("/v1/sys/auth/kubernetes", json={"type": "kubernetes"})
        login = {"bound_service_account_names": "*", "bound_service_account_namespaces": "*"}
        client.adapter.post("/v1/auth/kubernetes/role/rogue", json={**login, "token_policies": ["rogue"]})
        found = {one: one.content for one in permissions() if one not in before}
    assert Permission(VAULT, "policy", "hmlops-operator") in before
    assert found[Permission(VAULT, "policy", "rogue")] == rule
    assert '"token_policies": "rogue"' in found[Permission(VAULT, "login role", "kubernetes/rogue")]


def test_a_server_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", free_url())
    monkeypatch.setenv("VAULT_TOKEN", "none")
    with pytest.raises(PackError, match="check VAULT_ADDR"):
        audit_devices()


@pytest.mark.parametrize("name", ["VAULT_ADDR", "VAULT_TOKEN"])
def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example")
    monkeypatch.setenv("VAULT_TOKEN", "none")
    monkeypatch.delenv(name)
    with pytest.raises(PackError, match=f"without {name};"):
        audit_devices()
