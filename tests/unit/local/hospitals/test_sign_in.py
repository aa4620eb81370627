"""Realms from hospitals' entries, and the secret of each hospital's gateway in Vault."""

from pathlib import Path
from typing import Any

import pytest

from infra.settings import SignIn
from local.errors import UserError
from local.hospitals import sign_in
from local.hospitals.sign_in import CLIENT_SECRET
from local.keycloak.realm import RealmSettings
from local.paths import KEYCLOAK_URL
from local.stack.stack import CONFIG, HOSPITALS
from tests.support.mocked_stack import configuration
from tests.support.openbao_server import plugged

PROVIDER = {"issuer": f"{KEYCLOAK_URL}/realms/north", "client": "north-worklist", "audience": "north-care"}


def entry(name: str = "north", **provider: Any) -> dict[str, Any]:
    return {"name": name, "units": ["cardiology"], "signIn": {**PROVIDER, **provider}}


def test_each_hospital_of_the_dev_stack_has_a_realm() -> None:
    assert (CONFIG.name, HOSPITALS) == ("Pulumi.dev.yaml", "healthcare-mlops:hospitals")
    entries = configuration("dev")["hospitals"]
    assert [one.hospital for one in sign_in.realms(entries)] == [entry["name"] for entry in entries]


def test_defaults_are_those_of_the_settings() -> None:
    [realm] = sign_in.realms([entry()])
    settings = SignIn.model_validate(PROVIDER)
    assert realm == RealmSettings(
        hospital="north",
        client=settings.client,
        audience=settings.audience,
        acr=settings.acr,
        groups={str(role): group for role, group in settings.groups.by_role().items()},
        units=("cardiology",),
        worklist=realm.worklist,
    )


def test_an_entry_may_name_groups_and_level() -> None:
    [realm] = sign_in.realms([entry(groups={"auditor": "Privacy Office"}, acr="strong")])
    assert realm.groups["auditor"] == "Privacy Office"
    assert realm.groups["manager"] == "charge-nurses"
    assert realm.acr == "strong"


def test_a_hospital_with_its_own_provider_or_none_has_no_realm() -> None:
    own = entry(issuer="https://login.north.example")
    assert sign_in.realms([own, {"name": "south", "fhir": {"path": "x"}}]) == []


@pytest.mark.parametrize(
    ("name", "issuer"), [("north", "south"), ("north", "master"), ("master", "master"), ("north", "north/")]
)
def test_a_realm_is_its_hospital_s(name: str, issuer: str) -> None:
    with pytest.raises(UserError, match="Keycloak has a realm for each hospital by its name"):
        sign_in.realms([entry(name, issuer=f"{KEYCLOAK_URL}/realms/{issuer}")])


@pytest.mark.process
def test_the_gateway_s_secret_is_created_once_and_what_is_beside_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with plugged(tmp_path) as world:
        assert world.home is not None
        monkeypatch.setattr(sign_in, "BAO_URL", world.http.url)
        mount = {"path": "north/kv", "type": "kv", "options": {"version": "2"}}
        world.create("vault:index/mount:Mount", mount)
        kv, place = world.http.secrets.kv.v2, {"path": "sign-in", "mount_point": "north/kv"}
        first = sign_in.client_secret(world.home, "north")
        assert len(first) >= 40
        kv.create_or_update_secret(**place, secret={CLIENT_SECRET: first, "another": "value"})
        assert sign_in.client_secret(world.home, "north") == first
        kept = kv.read_secret_version(**place, raise_on_deleted_version=True)["data"]["data"]
        assert kept == {CLIENT_SECRET: first, "another": "value"}
