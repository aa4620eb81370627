"""Pseudonyms, shifted dates and the allow list."""

import base64
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.deid.check_digits import mod10, verhoeff
from model.deid.keys import BATCH, LocalKeyring, PatientSecret, VaultKeyring, identity, keyring
from model.deid.rules import allow_list
from model.deid.subject import Subject, moment_of, secret_input
from model.deid.transforms import Context, deidentify
from model.errors import UserError

RING = LocalKeyring(b"k" * 32)
MOMENTS = st.datetimes(datetime(1901, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))


def subject(patient: str = "p1", hospital: str = "north") -> Subject:
    return Subject(RING.secrets([secret_input(hospital, patient)])[0])


def context(patient: str = "p1", today: date = date(2025, 1, 1)) -> Context:
    return Context(allow_list(), subject(patient), lambda reference, _kind: reference, today)


@given(st.text(min_size=1), st.text(min_size=1))
def test_pseudonyms_are_stable_and_kept_apart(one: str, other: str) -> None:
    assert subject(one).pseudonym("Patient", one) == subject(one).pseudonym("Patient", one)
    if one != other:
        assert subject(one).pseudonym("Patient", one) != subject(other).pseudonym("Patient", other)
    assert subject(one).pseudonym("Patient", one) != subject(one).pseudonym("Encounter", one)
    assert subject(one).pseudonym("Patient", one) != subject(one, "south").pseudonym("Patient", one)


@given(MOMENTS, MOMENTS, st.text(min_size=1))
def test_intervals_of_a_patient_stay_exact(first: datetime, second: datetime, patient: str) -> None:
    who = subject(patient)
    moved = [moment_of(who.moved(m.isoformat(timespec="microseconds"))) for m in (first, second)]
    assert moved[0] is not None
    assert moved[1] is not None
    assert moved[1] - moved[0] == second - first
    assert timedelta(days=1) <= first - moved[0] <= timedelta(days=365)


@given(st.dates(date(1901, 1, 1), date(2100, 1, 1)), st.integers(-14, 14))
def test_a_day_and_a_moment_move_alike(day: date, zone: int) -> None:
    sign = "+" if zone >= 0 else "-"
    who = subject()
    moved_day = moment_of(who.moved(day.isoformat()))
    moved_moment = moment_of(who.moved(f"{day.isoformat()}T00:00:00{sign}{abs(zone):02}:00"))
    assert moved_day is not None
    assert moved_moment is not None
    assert moved_day - moved_moment == timedelta(hours=zone)


@pytest.mark.parametrize(
    "text", ["2020", "2020-02", "2023-02-30", "yesterday", "2020-01-01T25:00:00Z", "", "0001-01-01"]
)
def test_a_date_without_a_place_is_dropped(text: str) -> None:
    assert subject().moved(text) is None


def test_only_a_year_of_birth_leaves_and_none_of_the_very_old() -> None:
    who = subject()
    old = who.birth("1950-06-01", date(2025, 1, 1))
    assert old is not None
    assert old["year"] in {1949, 1950}
    youngest = who.birth("1935-01-02", date(2025, 1, 1))
    assert youngest is not None
    assert youngest["over_89"] is False
    assert who.birth("1935-01-01", date(2025, 1, 1)) == {"over_89": True}
    assert who.birth("2030-01-01", date(2025, 1, 1)) is None
    assert who.birth("1950", date(2025, 1, 1)) is None


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("02139", "021"),
        ("02139-4307", "021"),
        ("20500", "000"),
        ("03601", "000"),
        ("2139", None),
        ("987-65-4320", None),
    ],
)
def test_zip3(value: str, left: str | None) -> None:
    found = deidentify({"resourceType": "Patient", "address": [{"postalCode": value}]}, context())
    assert (found["address"][0]["postalCode"] if found else None) == left


def test_what_is_not_on_the_list_does_not_leave() -> None:
    resource = {
        "resourceType": "Patient",
        "name": [{"family": "Doe"}],
        "photo": [{"data": "AAAA"}],
        "gender": "jane doe",
    }
    assert deidentify(resource, context()) == {}


def test_a_code_keeps_its_meaning_and_loses_its_text() -> None:
    coding = {"system": "http://snomed.info/sct", "code": "44054006", "display": "Jane's diabetes"}
    bad = [coding | {"code": "5551234567"}, coding | {"code": "44054007"}, coding | {"system": "urn:mine"}]
    found = deidentify({"resourceType": "Condition", "code": {"coding": [coding, *bad], "text": "Jane"}}, context())
    assert found == {"code": {"coding": [{"system": "snomed", "code": "44054006"}]}}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 9_876_543_210, True, "7.1", None])
def test_a_number_that_is_no_measurement_is_dropped(value: Any) -> None:
    resource = {"resourceType": "Observation", "valueQuantity": {"value": value, "unit": "mg/dL"}}
    assert deidentify(resource, context()) == {}


def test_check_digits() -> None:
    assert verhoeff("22298006")
    assert not verhoeff("22298060")
    assert mod10("2160-0")
    assert mod10("85354-9")
    assert not mod10("2160-1")


def test_every_rule_says_why_and_names_a_known_system() -> None:
    table = allow_list().table
    for rule in table.rules:
        assert len(rule.why) > 10, rule
        assert set(rule.systems) <= set(table.systems), rule
    assert len(table.restricted_zip3) == 19


class FakeVault:
    """Answers like Vault's transit engine and notes the size of each batch."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == "north/transit/hmac/pseudonym/sha2-256"
        self.sizes.append(len(body["batch_input"]))
        return {"batch_results": [{"hmac": f"vault:v3:{item['input']}"} for item in body["batch_input"]]}

    def get(self, path: str) -> dict[str, Any]:
        raise AssertionError(path)


def test_vault_is_asked_in_batches_and_its_key_version_stays() -> None:
    vault = FakeVault()
    ring = VaultKeyring(vault, "north/transit")
    found = ring.secrets([f"p{i}" for i in range(2 * BATCH + 1)])
    assert vault.sizes == [BATCH, BATCH, 1]
    assert found[-1] == PatientSecret("v3", f"p{2 * BATCH}".encode())
    assert Subject(found[0]).pseudonym("Patient", "p").startswith("v3-")
    assert base64.b64encode(found[0].key)


def test_a_key_file_is_private_and_the_shell_is_warned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VAULT_ROLE", raising=False)
    path = tmp_path / "keys" / "key"
    first, second = keyring("north", path), keyring("north", path)
    assert identity(first) == identity(second)
    assert path.stat().st_mode & 0o077 == 0
    assert "set VAULT_ADDR and VAULT_ROLE" in re.sub(r"\s+", " ", capsys.readouterr().err)


def test_a_broken_key_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("not hex")
    with pytest.raises(UserError, match=r"mend or remove it"):
        LocalKeyring.from_file(tmp_path / "key")
