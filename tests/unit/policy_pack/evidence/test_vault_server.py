"""The audit devices of a real server, as the variables of the environment name it."""

from pathlib import Path

import pytest

from local.cluster import openbao
from policy_pack.errors import PackError
from policy_pack.evidence.vault_server import audit_devices
from tests.support.openbao_server import free_url, home_with_certificates, server


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
