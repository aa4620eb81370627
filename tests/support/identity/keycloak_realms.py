"""Keycloak with the realms of two hospitals and of their programs, applied as ``make up`` does."""

from dataclasses import replace

import httpx

from local.hospitals.program_client import ProgramClient, programs
from local.keycloak import admin, keys, server
from local.keycloak import programs as programs_realm
from local.keycloak.realm import RealmSettings, representation
from local.keycloak.staff import Person, staff
from local.paths import Home
from tests.support.identity.keycloak_server import Browser

NORTH = RealmSettings(
    hospital="north",
    client="north-worklist",
    audience="north-care",
    acr="2",
    groups={"coordinator": "care-coordinators", "manager": "charge-nurses", "auditor": "auditors"},
    units=("cardiology", "4 West"),
    worklist="https://north.worklist.example:8447",
)
SOUTH = replace(
    NORTH, hospital="south", client="south-worklist", audience="south-care", worklist="https://south.worklist.example"
)
STAFF = {
    (person.hospital, person.username): person
    for one in (NORTH, SOUTH)
    for person in staff(one.hospital, one.units, {})
}


APPLICATIONS = [{"name": name, "applications": [f"{name}-program"]} for name in ("north", "south")]


class Keycloak:
    """The server under test, whose realms are applied as ``make up`` does."""

    def __init__(self, home: Home, url: str) -> None:
        self.url, self.authority = url, home.pki / "ca.crt"
        self.home, self._secret = home, server.secret_file(home).read_text()

    def apply(self, *settings: RealmSettings) -> dict[str, str]:
        people = {one.hospital: staff(one.hospital, one.units, STAFF) for one in settings}
        realms = [
            representation(one, keys.signing_key(self.home, one.hospital), people[one.hospital]) for one in settings
        ]
        key = keys.signing_key(self.home, programs_realm.REALM)
        realms.append(programs_realm.representation("readmission-risk", key, programs(self.home, APPLICATIONS)))
        return admin.apply(self.url, self.authority, self._secret, realms)

    def browser(self, settings: RealmSettings = NORTH) -> Browser:
        return Browser(self.url, settings, self.authority)


def person(username: str, hospital: str = "north") -> Person:
    return STAFF[hospital, username]


# --- programs -----------------------------------------------------------------------------
class Caller:
    """A program at the token endpoint of the programs' realm."""

    def __init__(self, keycloak: Keycloak, name: str = "north-program") -> None:
        self.own = ProgramClient(keycloak.home, name.partition("-")[0], name)
        self.browser = keycloak.browser(replace(NORTH, hospital=programs_realm.REALM))
        self.issuer = self.browser.issuer

    def ask(self, assertion: str, **changed: str | None) -> httpx.Response:
        asked = {
            "grant_type": "client_credentials",
            "client_id": self.own.name,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
            "scope": "readmission.scores",
            **changed,
        }
        data = {name: value for name, value in asked.items() if value is not None}
        return self.browser.client.post(f"{self.issuer}/protocol/openid-connect/token", data=data)
