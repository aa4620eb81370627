"""A real server on loopback: first start, restart, the operator's rights and the audit trail."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import hvac
import pytest
from hvac.exceptions import Forbidden
from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_fixed

from local.cluster import audit_devices, openbao
from local.errors import UserError
from local.paths import REPOSITORY, Home
from tests.support.vault.openbao_server import client as connected
from tests.support.vault.openbao_server import free_url, home_with_certificates, server

pytestmark = pytest.mark.process

SECRET = "not-for-the-audit-log"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home with certificates only."""
    return home_with_certificates(tmp_path)


def test_the_operator_lays_out_a_hospital_and_nothing_else(home: Home) -> None:
    url = free_url()
    with server(home, url):
        token = openbao.initialise_and_unseal(home, url)
        client = connected(home, url, token)
        _lay_out(client)
        for refused in (
            "sys/raw/core",
            "auth/userpass/users/hmlops-keeper",
            "sys/policies/acl/hmlops-operator",
        ):
            with pytest.raises(Forbidden):
                client.read(refused)
        with pytest.raises(Forbidden):
            client.sys.create_or_update_acl_policy("hmlops-keeper", 'path "*" { capabilities = ["sudo"] }')
        with pytest.raises(Forbidden):
            client.sys.seal()
        with pytest.raises(Forbidden):
            client.sys.disable_audit_device("second")
        with pytest.raises(Forbidden):
            client.secrets.transit.generate_hmac(
                name="pseudonym", hash_input="cGF0aWVudA==", mount_point="north/transit"
            )
        assert audit_devices.problem(home, url) == ""
        child = client.auth.token.create(ttl="5m")["auth"]
        assert set(child["token_policies"]) == {"default", "hmlops-operator"}
    for path in openbao.audit_logs(home):
        assert path.stat().st_mode & 0o777 == 0o600
        text = path.read_text()
        assert "north/transit/keys/pseudonym" in text
        assert SECRET not in text
        assert token not in text
        assert (openbao.folder(home) / "keeper-password").read_text() not in text


def upgraded() -> Retrying:
    """Retry while a new key-value engine is being upgraded to version 2."""
    upgrading = retry_if_exception_message(match="Upgrading from non-versioned")
    return Retrying(retry=upgrading, wait=wait_fixed(0.1), stop=stop_after_delay(30), reraise=True)


def _lay_out(client: hvac.Client) -> None:
    client.sys.enable_secrets_engine("transit", path="north/transit")
    client.write_data("north/transit/keys/pseudonym", data={"type": "hmac", "key_size": 32})
    client.secrets.transit.create_key(name="release-signing", key_type="ed25519", mount_point="north/transit")
    client.sys.enable_secrets_engine("kv", path="north/kv", options={"version": "2"})
    for attempt in upgraded():
        with attempt:
            client.secrets.kv.v2.create_or_update_secret("ehr", {"password": SECRET}, mount_point="north/kv")
    client.sys.tune_mount_configuration("north/kv", description="settings")
    client.sys.enable_auth_method("kubernetes")
    client.sys.create_or_update_acl_policy(
        "north-ingestor", 'path "north/transit/hmac/pseudonym" { capabilities = ["update"] }'
    )
    role = {
        "bound_service_account_names": "ingestor",
        "bound_service_account_namespaces": "north-phi",
        "token_policies": "north-ingestor",
    }
    client.write_data("auth/kubernetes/role/north-ingestor", data=role)


def test_a_killed_server_comes_back_open_with_its_data_and_token(home: Home) -> None:
    url = free_url()
    with server(home, url) as process:
        token = openbao.initialise_and_unseal(home, url)
        connected(home, url, token).sys.enable_secrets_engine("kv", path="north/kv", options={"version": "2"})
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with server(home, url):
        assert openbao.initialise_and_unseal(home, url) == token
        client = connected(home, url, token)
        assert "north/kv/" in client.sys.list_mounted_secrets_engines()["data"]
        client.auth.token.revoke_self()
        fresh = openbao.initialise_and_unseal(home, url)
        assert fresh != token
        assert openbao.token_file(home).read_text() == fresh
        assert openbao.token_file(home).stat().st_mode & 0o777 == 0o600


def test_a_first_start_that_was_cut_short_begins_anew(home: Home) -> None:
    openbao.prepare(home)
    half_made = openbao.folder(home) / "data" / "vault.db"
    half_made.write_bytes(b"half a database")
    key = (openbao.folder(home) / "seal.key").read_bytes()
    openbao.prepare(home)
    assert not half_made.exists()
    assert (openbao.folder(home) / "seal.key").read_bytes() != key


def test_data_in_use_and_their_key_are_kept(home: Home) -> None:
    openbao.prepare(home)
    database = openbao.folder(home) / "data" / "vault.db"
    database.write_bytes(b"a database")
    (openbao.folder(home) / "initialised").touch()
    key = (openbao.folder(home) / "seal.key").read_bytes()
    openbao.prepare(home)
    assert database.exists()
    assert (openbao.folder(home) / "seal.key").read_bytes() == key


@pytest.mark.parametrize("lost", ["seal.key", "keeper-password"])
def test_a_lost_key_is_one_sentence(home: Home, lost: str) -> None:
    openbao.prepare(home)
    (openbao.folder(home) / "initialised").touch()
    (openbao.folder(home) / lost).unlink()
    with pytest.raises(UserError, match=rf"{lost}.*make clean"):
        openbao.prepare(home)
    done = subprocess.run(
        [sys.executable, "-m", "local.cluster.openbao", str(home.root)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_no_server_is_one_sentence(home: Home) -> None:
    with pytest.raises(UserError, match=r"did not become ready.*make logs NAME=openbao"):
        openbao.initialise_and_unseal(home, free_url(), patience=0.5)
