"""Demonstration staff: who they are, and the file with their secrets."""

import json
import stat
from pathlib import Path

import pyotp
import pytest
from typer.testing import CliRunner

from local.__main__ import app
from local.cluster import openbao
from local.errors import UserError
from local.keycloak.staff import Person, file, read, staff, write
from local.paths import Home

UNITS = ("cardiology", "medicine", "surgery")
ADDRESSES = {"north": "https://north.example", "south": "https://south.example"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def by_name(people: tuple[Person, ...]) -> dict[str, Person]:
    return {person.username: person for person in people}


def test_two_units_have_a_coordinator_and_a_manager_has_all() -> None:
    people = by_name(staff("north", UNITS, {}))
    assert (people["casey"].units, people["robin"].units) == (("cardiology",), ("medicine",))
    assert (people["morgan"].role, people["morgan"].units) == ("manager", UNITS)
    assert (people["alex"].role, people["alex"].units) == ("auditor", ())


def test_a_hospital_with_one_unit_has_the_same_posts() -> None:
    people = staff("north", ("medicine",), {})
    assert {person.units for person in people} == {("medicine",), ()}


def test_secrets_differ_and_one_person_has_no_second_factor() -> None:
    people = [*staff("north", UNITS, {}), *staff("south", UNITS, {})]
    assert len({person.password for person in people}) == len(people)
    assert all(len(person.password) >= 20 for person in people)
    seeds = [person.seed for person in people if person.seed]
    assert len(set(seeds)) == len(people) - 2
    assert {person.username for person in people if not person.seed} == {"jamie"}


def test_the_file_is_its_owner_s_and_keeps_everybody(home: Home) -> None:
    people = [*staff("north", UNITS, {}), *staff("south", UNITS, {})]
    write(home, people, ADDRESSES)
    assert stat.S_IMODE(file(home).stat().st_mode) == 0o600
    assert list(read(home).values()) == people
    assert staff("north", UNITS, read(home)) == tuple(people[:5])


def test_changed_units_keep_identity_and_secrets(home: Home) -> None:
    write(home, staff("north", UNITS, {}), ADDRESSES)
    before, after = by_name(tuple(read(home).values())), by_name(staff("north", ("surgery", "4 West"), read(home)))
    assert after["casey"].units == ("surgery",)
    assert all(
        (after[name].id, after[name].password, after[name].seed) == (one.id, one.password, one.seed)
        for name, one in before.items()
    )


def test_an_authenticator_app_takes_the_seed_from_the_file(home: Home) -> None:
    write(home, staff("north", UNITS, {}), ADDRESSES)
    listed = {entry["username"]: entry for entry in json.loads(file(home).read_text())["staff"]}
    app_of_casey = pyotp.parse_uri(listed["casey"]["second_factor"])
    assert isinstance(app_of_casey, pyotp.TOTP)
    assert app_of_casey.at(1_000_000_000) == read(home)["north", "casey"].code(1_000_000_000)
    assert listed["casey"]["sign_in_at"] == "https://north.example"
    assert listed["jamie"]["second_factor"] == "none: this person is refused"


def test_no_file_has_nobody(home: Home) -> None:
    assert read(home) == {}


def test_the_command_prints_a_code_and_no_secret(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HMLOPS_HOME", str(home.root))
    openbao.token_file(home).parent.mkdir(parents=True)
    openbao.token_file(home).touch()
    write(home, staff("north", UNITS, {}), ADDRESSES)
    done = CliRunner().invoke(app, ["one-time-password", "north", "casey"])
    assert len(done.output.strip()) == 6
    assert done.output.strip().isdigit()


@pytest.mark.parametrize(("who", "says"), [("jamie", "has no second factor"), ("nobody", "has no demonstration user")])
def test_the_command_says_who_has_no_code(home: Home, monkeypatch: pytest.MonkeyPatch, who: str, says: str) -> None:
    monkeypatch.setenv("HMLOPS_HOME", str(home.root))
    openbao.token_file(home).parent.mkdir(parents=True)
    openbao.token_file(home).touch()
    write(home, staff("north", UNITS, {}), ADDRESSES)
    done = CliRunner().invoke(app, ["one-time-password", "north", who])
    assert isinstance(done.exception, UserError)
    assert says in str(done.exception)
