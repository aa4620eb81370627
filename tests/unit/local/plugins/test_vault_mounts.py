"""The vault plugin's rows against the real OpenBao: mounts whose path changes, and states as the official plugin's."""

from collections.abc import Iterator
from pathlib import Path

import hvac
import pytest
from hvac.exceptions import Forbidden

from local.plugins.provider.common import Failure, PluginError, Props, Request
from local.plugins.vault.vault_api import duration
from local.plugins.vault_provider import VaultProvider
from tests.support.vault.bao_server import ROOT as ROOT_TOKEN
from tests.support.vault.bao_server import bao
from tests.support.vault.openbao_server import World, plugged

MOUNT = "vault:index/mount:Mount"
AUTH = "vault:index/authBackend:AuthBackend"
KEY = "vault:transit/secretBackendKey:SecretBackendKey"
TRANSIT: Props = {"path": "north/transit", "type": "transit", "description": "first"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with plugged(tmp_path_factory.mktemp("bao")) as made:
        yield made


@pytest.fixture
def root(tmp_path: Path) -> Iterator[World]:
    """A server with a token that may do everything."""
    with bao(tmp_path) as server:
        provider = VaultProvider({})
        provider.configure({"address": server.url, "token": ROOT_TOKEN})
        yield World(None, provider, hvac.Client(url=server.url, token=ROOT_TOKEN))


def change(world: World, kind: str, made: str, state: Props, old: Props, new: Props) -> Request:
    """Return the request of an update."""
    return world.request(kind, new, id=made, old_inputs=world.request(kind, old).inputs, state=state)


def test_an_engine_whose_path_changes_keeps_its_keys(world: World) -> None:
    made, state = world.create(MOUNT, TRANSIT)
    world.create(KEY, {"backend": made, "name": "k", "deletionAllowed": True})
    before = world.http.read("north/transit/keys/k")["data"]["keys"]
    moved = {**TRANSIT, "path": "east/transit", "description": "second"}
    request = change(world, MOUNT, made, state, TRANSIT, moved)
    assert not world.provider.diff(request).replaces
    shown = world.provider.update(request)
    assert (shown["path"], shown["description"], shown["accessor"]) == ("east/transit", "second", state["accessor"])
    assert world.http.read("east/transit/keys/k")["data"]["keys"] == before
    mounted = world.http.sys.list_mounted_secrets_engines()["data"]
    assert "east/transit/" in mounted
    assert "north/transit/" not in mounted
    # The engine still knows it by the id that it was made with.
    read = world.read(MOUNT, made, moved, shown)
    assert (read.id, read.inputs["path"], read.state["description"]) == (made, "east/transit", "second")
    world.provider.delete(change(world, MOUNT, made, shown, moved, moved))
    assert "east/transit/" not in world.http.sys.list_mounted_secrets_engines()["data"]


def test_an_engine_does_not_move_to_a_path_in_use(world: World) -> None:
    made, state = world.create(MOUNT, TRANSIT)
    world.create(MOUNT, {"path": "west/transit", "type": "transit"})
    request = change(world, MOUNT, made, state, TRANSIT, {**TRANSIT, "path": "west/transit"})
    with pytest.raises(PluginError, match=r"Vault at https://.* says: .*in use"):
        world.provider.update(request)
    assert "north/transit/" in world.http.sys.list_mounted_secrets_engines()["data"]
    for path in ("north/transit", "west/transit"):
        world.http.sys.disable_secrets_engine(path)


def test_the_type_of_an_engine_cannot_change_in_place(world: World) -> None:
    request = change(world, MOUNT, "north/transit", {}, TRANSIT, {**TRANSIT, "type": "kv", "path": "east/transit"})
    assert world.provider.diff(request).replaces == {("type",)}


def test_a_login_method_whose_path_changes_keeps_its_roles(root: World) -> None:
    made, state = root.create(AUTH, {"type": "userpass"})
    root.http.write_data("auth/userpass/users/anna", data={"password": "x"})
    moved = {"type": "userpass", "path": "people"}
    shown = root.provider.update(change(root, AUTH, made, state, {"type": "userpass"}, moved))
    assert (shown["path"], shown["accessor"]) == ("people", state["accessor"])
    assert root.http.list("auth/people/users")["data"]["keys"] == ["anna"]
    root.provider.delete(change(root, AUTH, made, shown, moved, moved))
    assert "people/" not in root.http.sys.list_auth_methods()["data"]


@pytest.mark.parametrize(("old", "new"), [("auth/userpass", "auth/people"), ("auth/userpass/", "auth/x/")])
def test_the_operator_moves_no_login_method(world: World, old: str, new: str) -> None:
    with pytest.raises(Forbidden):
        world.http.write_data("sys/remount", data={"from": old, "to": new})
    assert "userpass/" in world.http.sys.list_auth_methods()["data"]


def test_the_operator_reads_what_the_official_plugin_reads_of_its_login_method_alone(world: World) -> None:
    made, _ = world.create(AUTH, {"type": "kubernetes", "path": "kubernetes"})
    assert world.http.read("sys/mounts/auth/kubernetes/tune")["data"]["max_lease_ttl"] > 0
    with pytest.raises(Forbidden):
        world.http.read("sys/mounts/auth/userpass/tune")
    world.http.sys.disable_auth_method(made)


def test_states_have_what_the_official_plugin_fills_in(world: World) -> None:
    made, state = world.create(MOUNT, TRANSIT)
    assert (state["auditNonHmacRequestKeys"], state["auditNonHmacResponseKeys"]) == ([], [])
    assert world.read(MOUNT, made, TRANSIT, {}).inputs == {**TRANSIT, "__defaults": []}
    world.http.sys.disable_secrets_engine(made)
    login = {"type": "kubernetes", "path": "kubernetes"}
    made, state = world.create(AUTH, login)
    assert state["disableRemount"] is False
    tune = {
        "defaultLeaseTtl": "768h0m0s",
        "maxLeaseTtl": "768h0m0s",
        "listingVisibility": "",
        "tokenType": "default-service",
    }
    assert state["tune"] == tune
    # A state of before has none of it, and refreshing it is no change of the program's inputs.
    for known in (state, {}):
        read = world.read(AUTH, made, login, known)
        assert read.inputs == {**login, "__defaults": []}
        assert (read.state["disableRemount"], read.state["tune"]) == (False, tune)
    world.http.sys.disable_auth_method(made)


def test_settings_of_a_login_method_that_are_taken_away_fall_back(world: World) -> None:
    login = {"type": "kubernetes", "path": "kubernetes"}
    tuned = {**login, "tune": {"defaultLeaseTtl": "1h", "maxLeaseTtl": "2h", "tokenType": "batch"}}
    made, state = world.create(AUTH, tuned)
    assert state["tune"] == tuned["tune"]
    shown = world.provider.update(change(world, AUTH, made, state, tuned, login))
    assert (shown["tune"]["maxLeaseTtl"], shown["tune"]["tokenType"]) == ("768h0m0s", "default-service")
    world.http.sys.disable_auth_method(made)


def test_a_login_method_that_would_not_move_is_refused(world: World) -> None:
    request = Request("urn:pulumi:dev::p::" + AUTH + "::x", world.request(AUTH, {"type": "jwt"}).log)
    checked = world.provider.check(Request(request.urn, request.log, inputs={"type": "jwt", "disableRemount": True}))
    assert [type(failure) for failure in checked.failures] == [Failure]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (59, "59s"), (900, "15m0s"), (2764800, "768h0m0s")])
def test_durations_are_written_as_go_writes_them(seconds: int, text: str) -> None:
    assert duration(seconds) == text
