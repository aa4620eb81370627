"""The vault plugin's rows against the real OpenBao: what a server has once."""

from collections.abc import Iterator

import pytest

from local.cluster import openbao
from local.plugins.provider.common import PluginError, Props
from tests.support.openbao_server import World, plugged

pytestmark = pytest.mark.process

AUDIT = "vault:index/audit:Audit"
QUOTA = "vault:index/quotaRateLimit:QuotaRateLimit"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with plugged(tmp_path_factory.mktemp("bao")) as made:
        yield made


def _device(file: str, **options: str) -> Props:
    return {"path": "first", "type": "file", "options": {"file_path": file, "mode": "0600", **options}}


def test_a_device_of_the_server_s_own_configuration_is_taken_as_it_is(world: World) -> None:
    inputs = _device(openbao.AUDIT_FILES[0])
    made, state = world.create(AUDIT, inputs)
    assert (made, state["adopted"], state["options"]) == ("first", True, inputs["options"])
    read = world.read(AUDIT, made, inputs, state)
    assert read.id == "first"
    assert read.inputs["options"] == inputs["options"]
    assert read.state["adopted"]
    world.provider.delete(world.request(AUDIT, inputs, id=made, old_inputs=inputs, state=state))
    assert "first/" in world.http.sys.list_enabled_audit_devices()["data"]


def test_the_same_device_by_its_whole_path_is_the_same(world: World) -> None:
    assert world.home
    _, state = world.create(AUDIT, _device(str(openbao.audit_logs(world.home)[0])))
    assert state["adopted"]


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (_device("elsewhere/first.log"), "not file_path elsewhere/first.log"),
        (_device("first.lo"), "not file_path first.lo"),
        (_device("/audit/first.log"), "not file_path /audit/first.log"),
        (_device("audit/first.log", log_raw="true"), "log_raw true"),
        ({"path": "first", "type": "syslog", "options": {"tag": "vault"}}, "of type file"),
    ],
)
def test_another_device_at_its_place_is_refused(world: World, inputs: Props, told: str) -> None:
    with pytest.raises(PluginError, match=r"audit device first already.*correct vault\.auditFiles") as refused:
        world.create(AUDIT, inputs)
    assert told in str(refused.value)


def test_a_device_that_the_server_lacks_is_its_own_configuration_s_to_make(world: World) -> None:
    with pytest.raises(PluginError, match=r"Vault at https://.* says: .*permission denied"):
        world.create(AUDIT, {**_device("audit/third.log"), "path": "third"})


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
