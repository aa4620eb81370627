"""Realms from hospitals' entries."""

from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

from infra.settings import SignIn
from local.cluster.addons import MANIFESTS
from local.cluster.pki import IDENTITIES
from local.errors import UserError
from local.hospitals import sign_in
from local.hospitals.program_client import ISSUER as PROGRAMS
from local.keycloak.realm import RealmSettings
from local.paths import KEYCLOAK_HOST, KEYCLOAK_PORT, KEYCLOAK_URL, NODE_IP, Home
from local.stack.settings import CONFIG, HOSPITALS
from tests.support.stack.mocked_stack import configuration

ISSUER = f"{KEYCLOAK_URL}/realms/north"
PROVIDER = {
    "issuer": ISSUER,
    "authorizationUri": f"{ISSUER}/protocol/openid-connect/auth",
    "tokenUri": f"{ISSUER}/protocol/openid-connect/token",
    "jwksUri": f"{ISSUER}/protocol/openid-connect/certs",
    "client": "north-worklist",
    "audience": "north-care",
}


def entry(name: str = "north", **provider: Any) -> dict[str, Any]:
    return {"name": name, "units": ["cardiology"], "signIn": {**PROVIDER, **provider}}


def test_each_hospital_of_the_dev_stack_has_a_realm() -> None:
    assert (CONFIG.name, HOSPITALS) == ("Pulumi.dev.yaml", "healthcare-mlops:hospitals")
    entries = configuration("dev")["hospitals"]
    assert [one.hospital for one in sign_in.realms(entries)] == [entry["name"] for entry in entries]


def test_envoy_reaches_the_token_endpoint_by_a_name_of_the_cluster() -> None:
    # Envoy Gateway refuses a token endpoint whose host is an address.
    for one in configuration("dev")["hospitals"]:
        host = f"https://{KEYCLOAK_HOST}:{KEYCLOAK_PORT}"
        assert one["signIn"]["tokenUri"] == f"{host}/realms/{one['name']}/protocol/openid-connect/token"
    manifest = Template((MANIFESTS / "keycloak.yaml").read_text(encoding="utf-8"))
    service, slices = yaml.safe_load_all(manifest.substitute(KEYCLOAK_PORT=KEYCLOAK_PORT, NODE_IP=NODE_IP))
    named = service["metadata"]
    assert f"{named['name']}.{named['namespace']}.svc.cluster.local" == KEYCLOAK_HOST
    assert slices["metadata"]["labels"]["kubernetes.io/service-name"] == named["name"]
    [certificate] = [one for one in IDENTITIES if one.name == "keycloak"]
    assert KEYCLOAK_HOST in certificate.names


def test_defaults_are_those_of_the_settings() -> None:
    [realm] = sign_in.realms([entry()])
    settings = SignIn.model_validate(PROVIDER)
    assert realm == RealmSettings(
        hospital="north",
        client=settings.client,
        audience=settings.audience,
        acr=settings.second_factor[0],
        groups={str(role): group for role, group in settings.groups.by_role().items()},
        units=("cardiology",),
        worklist=realm.worklist,
    )


def test_an_entry_may_name_groups_and_level() -> None:
    [realm] = sign_in.realms([entry(groups={"auditor": "Privacy Office"}, secondFactor=["strong"])])
    assert realm.groups["auditor"] == "Privacy Office"
    assert realm.groups["manager"] == "charge-nurses"
    assert realm.acr == "strong"


def test_a_hospital_with_its_own_provider_or_none_has_no_realm() -> None:
    own = entry(issuer="https://login.north.example")
    assert sign_in.realms([own, {"name": "south", "fhir": {"path": "x"}}]) == []


@pytest.mark.parametrize(
    ("name", "issuer"),
    [("north", "south"), ("north", "master"), ("master", "master"), ("programs", "programs"), ("north", "north/")],
)
def test_a_realm_is_its_hospital_s(name: str, issuer: str) -> None:
    with pytest.raises(UserError, match="Keycloak has a realm for each hospital by its name"):
        sign_in.realms([entry(name, issuer=f"{KEYCLOAK_URL}/realms/{issuer}")])


def test_the_programs_of_the_dev_stack_have_one_realm(tmp_path: Path) -> None:
    written = configuration("dev")
    realm = sign_in.programs_realm(Home(tmp_path), written["hospitals"], written["gateway"])
    assert realm is not None
    enabled = [client["clientId"] for client in realm["clients"] if client["enabled"]]
    assert enabled == ["north-program", "south-program"]
    assert written["gateway"]["issuer"] == PROGRAMS
    files = [path for path in (tmp_path / "programs").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert len(files) == 2
    assert realm == sign_in.programs_realm(Home(tmp_path), written["hospitals"], written["gateway"])


def test_an_application_of_two_hospitals_is_one_client_with_two_keys(tmp_path: Path) -> None:
    entries = [{"name": name, "applications": ["planner"]} for name in ("north", "south")]
    realm = sign_in.programs_realm(Home(tmp_path), entries, {"issuer": PROGRAMS, "audience": "risk"})
    assert realm is not None
    [client] = [client for client in realm["clients"] if client["enabled"]]
    assert client["attributes"]["jwks.string"].count('"kid"') == 2


def test_programs_of_another_issuer_have_no_realm(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert sign_in.programs_realm(home, [entry()], None) is None
    assert sign_in.programs_realm(home, [entry()], {"issuer": "https://login.example", "audience": "risk"}) is None
    with pytest.raises(UserError, match=f"one realm for hospitals' programs: write {PROGRAMS}"):
        sign_in.programs_realm(home, [entry()], {"issuer": f"{KEYCLOAK_URL}/realms/north", "audience": "risk"})
