"""What a hospital's entry may say of its identity provider, groups and units, and the sentence for what it may not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.settings import SettingsError, StaffRole
from tests.support.stack.mocked_stack import settings

ISSUER = "https://172.31.250.1:8446/realms/north"
PROVIDER = {
    "issuer": ISSUER,
    "authorizationUri": f"{ISSUER}/protocol/openid-connect/auth",
    "tokenUri": f"{ISSUER}/protocol/openid-connect/token",
    "jwksUri": f"{ISSUER}/protocol/openid-connect/certs",
    "client": "north-worklist",
    "audience": "north-care",
}

Change = Callable[[dict[str, Any]], None]


def provider(**changed: object) -> Change:
    """Return a change of the first hospital's identity provider."""

    def change(written: dict[str, Any]) -> None:
        written["hospitals"][0]["signIn"] = {**PROVIDER, **changed}

    return change


def entry(**changed: object) -> Change:
    """Return a change of the first hospital's entry."""

    def change(written: dict[str, Any]) -> None:
        written["hospitals"][0].update(changed)

    return change


def second(**changed: object) -> Change:
    """Return a change of the second hospital's identity provider."""

    def change(written: dict[str, Any]) -> None:
        written["hospitals"][1]["signIn"].update(changed)

    return change


def test_each_hospital_has_its_own_provider_in_development(tmp_path: Path) -> None:
    hospitals = settings("dev", tmp_path).hospitals
    providers = [hospital.sign_in for hospital in hospitals if hospital.sign_in]
    assert [provider.issuer.rpartition("/")[2] for provider in providers] == [hospital.name for hospital in hospitals]
    assert [provider.endpoint.network for provider in providers] == ["172.31.250.1/32"] * len(hospitals)
    assert [provider.endpoint.port for provider in providers] == [8446] * len(hospitals)


def test_production_names_the_hospital_s_own_provider(tmp_path: Path) -> None:
    [north] = settings("prod", tmp_path).hospitals
    assert north.sign_in is not None
    assert north.sign_in.endpoint.network == "10.50.1.0/28"
    assert north.sign_in.endpoint.port == 443
    assert north.sign_in.groups.by_role()[StaffRole.AUDITOR] == "Privacy Office"
    assert "Cardiac Step-Down" in north.units


def test_a_hospital_may_have_units_and_no_worklist(tmp_path: Path) -> None:
    def change(written: dict[str, Any]) -> None:
        del written["hospitals"][0]["signIn"]

    north = settings("dev", tmp_path, change).hospitals[0]
    assert north.sign_in is None
    assert north.units


def test_groups_have_names_by_default(tmp_path: Path) -> None:
    north = settings("dev", tmp_path, provider()).hospitals[0]
    assert north.sign_in is not None
    assert north.sign_in.second_factor == ("2",)
    assert north.sign_in.groups.by_role().keys() == set(StaffRole)


def test_hospitals_may_share_a_provider_with_clients_of_their_own(tmp_path: Path) -> None:
    chosen = settings("dev", tmp_path, second(issuer=ISSUER))
    assert len({hospital.sign_in.issuer for hospital in chosen.hospitals if hospital.sign_in}) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            provider(issuer="http://172.31.250.1/realms/north"),
            "signIn.issuer 'http://172.31.250.1/realms/north' is not",
        ),
        (provider(issuer=f"{ISSUER}?a=b"), "is not a plain https address"),
        (
            provider(issuer="https://login.north.example"),
            "hospitals[0].signIn has no network for the host login.north.example; add network",
        ),
        (provider(network="10.0.0.0/99"), "hospitals[0].signIn.network '10.0.0.0/99' is not an IPv4 network"),
        (provider(client=""), "hospitals[0].signIn.client '' cannot be used here; write a client ID"),
        (provider(client="two words"), "hospitals[0].signIn.client 'two words' cannot be used here"),
        (provider(client="line\n"), "cannot be used here; write a client ID"),
        (provider(client=7), "hospitals[0].signIn.client 7 is not text; write a client ID"),
        (provider(audience="north-worklist"), "hospitals[0].signIn has the client north-worklist as its audience"),
        (provider(secondFactor=[""]), "hospitals[0].signIn.secondFactor[0] '' cannot be used here"),
        (provider(secondFactor=[2]), "hospitals[0].signIn.secondFactor[0] 2 is not text; write text of"),
        (provider(secondFactor=[]), "hospitals[0].signIn.secondFactor must have at least 1 item."),
        (provider(secondFactor="2"), "hospitals[0].signIn.secondFactor must be a list"),
        (provider(tokenUri="http://172.31.250.1/token"), "is not a plain https address"),
        (provider(jwksUri="https://keys.example/jwks"), "has no network for the host keys.example; add network"),
        (provider(jwksUri="https://172.31.250.2/jwks"), "has endpoints on several hosts but no network; add network"),
        (provider(secret="x"), "unknown setting hospitals[0].signIn.secret"),
        (provider(groups={"nurse": "nurses"}), "unknown setting hospitals[0].signIn.groups.nurse"),
        (
            provider(groups={"coordinator": "Staff", "auditor": "staff"}),
            "hospitals[0].signIn.groups names one group for two roles; give each role its own group.",
        ),
        (provider(groups={"coordinator": "a/b"}), "hospitals[0].signIn.groups.coordinator 'a/b' cannot be used here"),
        (entry(signIn={}), "hospitals[0].signIn.issuer is missing; add it"),
        (entry(signIn="here"), "hospitals[0].signIn must be a map of settings"),
        (entry(units=[]), "hospitals[0] has signIn but no units; add units"),
        (entry(units=["4 West", "4 west"]), "hospitals[0] names the unit 4 West more than once; keep one."),
        (entry(units=["a,b"]), "hospitals[0].units[0] 'a,b' cannot be used here; write letters, digits, spaces"),
        (entry(units=[" west"]), "hospitals[0].units[0] ' west' cannot be used here"),
        (entry(units=["x" * 61]), "at most 60 characters."),
        (entry(units="cardiology"), "hospitals[0].units must be a list"),
        (
            second(issuer=ISSUER, client="north-worklist"),
            "hospitals north and south share issuer and client or audience of signIn",
        ),
        (second(issuer=ISSUER, audience="north-care"), "share issuer and client or audience of signIn"),
        (second(issuer=ISSUER, audience="north-worklist"), "share issuer and client or audience of signIn"),
        (
            provider(network="10.245.0.9/32"),
            "the network of signIn of hospital north (10.245.0.9/32) overlaps networks.pods (10.245.0.0/16)",
        ),
        (provider(network="0.0.0.0/0"), "give the range of the identity provider alone."),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(tmp_path: Path, change: Change, says: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        settings("dev", tmp_path, change)
    sentences = str(refusal.value).splitlines()
    assert any(says in sentence for sentence in sentences), sentences
    assert all(sentence.startswith("Pulumi.dev.yaml: ") and sentence.endswith(".") for sentence in sentences)
