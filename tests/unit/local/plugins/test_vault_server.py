"""The vault plugin's rows against the real OpenBao: what a server has once."""

from collections.abc import Iterator

import pytest

from local.cluster import openbao
from local.plugins.provider.common import EngineLog, Request
from tests.support.vault.openbao_server import World, plugged

pytestmark = pytest.mark.process

AUDIT = "vault:index/audit:Audit"
QUOTA = "vault:index/quotaRateLimit:QuotaRateLimit"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with plugged(tmp_path_factory.mktemp("bao")) as made:
        yield made


def test_an_older_state_s_audit_device_is_removed_from_it_alone(world: World) -> None:
    urn = f"urn:pulumi:dev::p::{AUDIT}::first"
    [name, *_] = openbao.AUDIT_DEVICES
    request = Request(urn, EngineLog("").about(urn), id=name, state={"path": name})
    world.provider.delete(request)
    assert f"{name}/" in world.http.sys.list_enabled_audit_devices()["data"]
    assert world.provider.read(request).id == ""


def test_a_limit_is_made_changed_and_taken_away(world: World) -> None:
    inputs = {"name": "logins", "path": "sys/", "rate": 20}
    made, state = world.create(QUOTA, inputs)
    assert (made, state["rate"], state["path"]) == ("logins", 20, "sys/")
    assert world.read(QUOTA, made, inputs, state).inputs["rate"] == 20
    old = world.request(QUOTA, inputs).inputs
    changed = world.request(QUOTA, {**inputs, "rate": 30, "interval": 2}, id=made, old_inputs=old, state=state)
    assert not world.provider.diff(changed).replaces
    assert world.provider.update(changed)["rate"] == 30
    assert world.http.read("sys/quotas/rate-limit/logins")["data"]["interval"] == 2
    world.provider.delete(world.request(QUOTA, inputs, id=made, old_inputs=old, state=state))
    assert world.http.read("sys/quotas/rate-limit/logins") is None


def test_requests_beyond_a_limit_are_made_again(world: World) -> None:
    secrets = {"path": "north/transit", "type": "transit"}
    world.create("vault:index/mount:Mount", secrets)
    world.create(QUOTA, {"name": "keys", "path": "north/transit/", "rate": 2})
    names = [f"key-{number}" for number in range(6)]
    kind = "vault:transit/secretBackendKey:SecretBackendKey"
    made = [world.create(kind, {"backend": "north/transit", "name": name})[0] for name in names]
    assert made == [f"north/transit/keys/{name}" for name in names]
