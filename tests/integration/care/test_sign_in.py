"""Sign-in of each hospital's demonstration staff at the environment's Keycloak."""

import stat

import pytest

from local.hospitals import sign_in
from local.keycloak import staff
from local.keycloak.staff import Person
from local.paths import KEYCLOAK_URL, Home
from local.stack.stack import Stack
from tests.support.identity.keycloak_server import Browser, next_code


@pytest.fixture(scope="module")
def people(home: Home) -> dict[tuple[str, str], Person]:
    return staff.read(home)


def browsers(home: Home) -> list[Browser]:
    return [Browser(KEYCLOAK_URL, one, home.pki / "ca.crt") for one in sign_in.realms(Stack(home).working())]


def test_the_file_of_the_staff_is_its_owner_s(home: Home, people: dict[tuple[str, str], Person]) -> None:
    assert stat.S_IMODE(staff.file(home).stat().st_mode) == 0o600
    assert {hospital for hospital, _ in people} == {entry["name"] for entry in Stack(home).working()}


def test_a_coordinator_of_each_hospital_signs_in_with_both_factors(
    home: Home, people: dict[tuple[str, str], Person]
) -> None:
    for browser in browsers(home):
        casey = people[browser.settings.hospital, "casey"]
        page = browser.fill(browser.password(casey), otp=casey.code())
        if browser.code(page) is None:
            # This period's code was used before.
            page = browser.fill(page, otp=next_code(casey))
        claims = browser.claims(browser.redeem(browser.code(page)).json()["access_token"])
        assert (claims["hospital"], claims["acr"]) == (browser.settings.hospital, "2")
        assert (claims["roles"], claims["units"]) == (["coordinator"], list(casey.units))


def test_who_has_no_second_factor_is_refused(home: Home, people: dict[tuple[str, str], Person]) -> None:
    for browser in browsers(home):
        jamie = people[browser.settings.hospital, "jamie"]
        page = browser.password(jamie)
        assert browser.code(page) is None
        assert "<form" not in page.text


def test_applying_the_entries_again_changes_nothing(home: Home, people: dict[tuple[str, str], Person]) -> None:
    assert sign_in.apply(home, Stack(home).working(), Stack(home).gateway).done == {}
    assert staff.read(home) == people
