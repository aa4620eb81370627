"""Pseudonyms, shifted dates and the allow list."""

import base64
import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

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
ZONES = ["UTC", "America/New_York", "Australia/Sydney", "Asia/Kathmandu", "Pacific/Auckland", "Pacific/Honolulu"]
EARLIEST = date(2012, 1, 1)
MOMENTS = st.datetimes(datetime(2012, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))


def subject(patient: str = "p1", hospital: str = "north") -> Subject:
    return Subject(RING.secrets([secret_input(hospital, patient)])[0])


def context(patient: str = "p1") -> Context:
    return Context(allow_list(), subject(patient), lambda reference, _kind: reference)


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


@given(st.dates(EARLIEST), st.integers(-14, 14))
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


@given(st.dates(date(1900, 1, 1), date(2150, 1, 1)), st.sampled_from(ZONES))
def test_a_day_is_the_local_day(day: date, zone: str) -> None:
    local = ZoneInfo(zone)
    start = datetime(day.year, day.month, day.day, tzinfo=local).astimezone(UTC)
    end = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=local).astimezone(UTC)
    assert moment_of(day.isoformat(), local) == start
    assert moment_of(day.isoformat(), local, end_of_day=True) == end
    who = subject()
    assert moment_of(who.moved(day.isoformat(), local)) == start + who.shift
    assert moment_of(who.moved(day.isoformat(), local, end_of_day=True)) == end + who.shift


@pytest.mark.parametrize(
    ("text", "since", "at"),
    [
        ("2024-03-05", "2024-03-04T14:00:00", "2024-03-05T13:59:59"),
        ("2024-03-05T06:00:00+10:00", "2024-03-04T14:00:00", "2024-03-04T20:00:00"),
        ("2024-03-04T20:00:00Z", "2024-03-04T14:00:00", "2024-03-04T20:00:00"),
        ("2024-03", "2024-02-29T14:00:00", None),
        ("2024", "2023-12-31T14:00:00", None),
    ],
)
def test_a_death_has_a_local_day(text: str, since: str, at: str | None) -> None:
    who = subject()
    found = who.death(text, timezone(timedelta(hours=10)))
    assert found is not None
    moved = [None if one is None else datetime.fromisoformat(f"{one}+00:00") + who.shift for one in (since, at)]
    assert [moment_of(found["since"]), moment_of(found["at"])] == moved
    assert found["vague"] is (at is None)


@pytest.mark.parametrize("text", ["yesterday", "2024-13", "24", "", None, 2024])
def test_what_is_no_date_is_no_death(text: Any) -> None:
    assert subject().death(text, UTC) is None


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("02139", "021"),
        ("02139-4307", "021"),
        ("20500", "000"),
        ("03601", "000"),
        ("021394307", "021"),
        ("2139", None),
        ("987-65-4320", None),
    ],
)
def test_zip3(value: str, left: str | None) -> None:
    address = {"state": "Massachusetts", "postalCode": value, "city": "Boston"}
    found = deidentify({"resourceType": "Patient", "address": [address]}, context())
    assert found["address"][0] == {"state": "MA"} | ({"postalCode": left} if left else {})


@pytest.mark.parametrize("state", [None, "Bayern", "ma", "Boston", ["MA"]])
def test_a_postal_code_outside_the_states_does_not_leave(state: Any) -> None:
    found = deidentify({"resourceType": "Patient", "address": [{"state": state, "postalCode": "80331"}]}, context())
    assert found == {}


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


@pytest.mark.parametrize(
    "quantity",
    [
        *(
            {"value": value, "unit": "mg/dL"}
            for value in (float("nan"), float("inf"), 100_001, 10**400, True, "7.1", None)
        ),
        {"value": 6175550199, "unit": "mg/dL"},
        {"value": 884122, "code": "U/L"},
        {"value": 94, "unit": "a", "code": "a", "system": "http://unitsofmeasure.org"},
        {"value": 94, "unit": "years"},
        {"value": 884},
        {"value": 884, "unit": "Quackenbush"},
        "7.1 mg/dL",
    ],
)
def test_a_number_that_is_no_measurement_is_dropped(quantity: Any) -> None:
    left = deidentify({"resourceType": "Observation", "valueQuantity": quantity}, context())
    assert left == {} or left["valueQuantity"].keys() == {"absent"}


@pytest.mark.parametrize(
    ("quantity", "left"),
    [
        ({"value": 7.1, "unit": "mg/dl", "comparator": "<"}, (7.1, "mg/dL", "<")),
        ({"value": 120, "unit": "mmHg", "code": "mm[Hg]"}, (120.0, "mm[Hg]", None)),
        ({"value": 9.5, "unit": "K/uL", "code": "Quackenbush"}, (9.5, "10*3/uL", None)),
        ({"value": 98.7654320, "unit": "%", "comparator": "about"}, (98.7654, "%", None)),
        ({"value": -3.5, "unit": "mmol/L"}, (-3.5, "mmol/L", None)),
    ],
)
def test_a_measurement_leaves_in_canonical_words(quantity: Any, left: tuple[float, str, str | None]) -> None:
    found = deidentify({"resourceType": "Observation", "valueQuantity": quantity}, context())["valueQuantity"]
    assert (found["value"], found["unit"], found["comparator"]) == left


@pytest.mark.parametrize(
    ("path", "uri", "code", "left"),
    [
        ("code", "urn:oid:2.16.840.1.113883.6.90", "E11.9", ("icd10cm", "E11.9")),
        ("code", "https://hl7.org/fhir/sid/icd-10-cm/", "U07.1", ("icd10cm", "U07.1")),
        ("code", "http://hl7.org/fhir/sid/icd-9-cm", "250.83", ("icd9cm", "250.83")),
        ("code", "http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-diagnosis-icd9", "V4582", ("icd9cm", "V4582")),
        ("code", "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "G30.1+", ("icd10gm", "G30.1+")),
        ("code", "http://fhir.de/CodeSystem/dimdi/icd-10-gm", "I50.13", ("icd10gm", "I50.13")),
        ("code", "http://hl7.org/fhir/sid/icd-10-cm", "S99912377", None),
        ("code", "http://loinc.org", "2160-0", None),
        ("class", "http://terminology.hl7.org/CodeSystem/v2-0004", "I", ("act-code", "IMP")),
        ("class", "http://terminology.hl7.org/CodeSystem/v2-0004", "IMP", None),
        ("priority", "http://terminology.hl7.org/CodeSystem/v3-ActPriority", "EL", ("act-priority", "EL")),
        ("priority", "https://www.nubc.org/CodeSystem/PriorityTypeOfAdmitOrVisit", "3", ("act-priority", "EL")),
        ("dischargeDisposition", "https://www.nubc.org/CodeSystem/PatDischargeStatus", "20", ("disposition", "exp")),
        ("dischargeDisposition", "http://www.nubc.org/patient-discharge", "06", ("disposition", "hhc")),
        ("dischargeDisposition", "http://www.nubc.org/patient-discharge", "30", None),
        ("dischargeDisposition", "http://www.nubc.org/patient-discharge", "Quackenbush", None),
        ("admitSource", "https://www.nubc.org/CodeSystem/PointOfOrigin", "4", ("admit-source", "hosp-trans")),
    ],
)
def test_a_code_is_known_by_any_name_of_its_system(
    path: str, uri: str, code: str, left: tuple[str, str] | None
) -> None:
    coding = {"system": uri, "code": code, "display": "Quackenbush"}
    resource: dict[str, Any] = {
        "code": {"resourceType": "Condition", "code": {"coding": [coding]}},
        "class": {"resourceType": "Encounter", "class": coding},
        "priority": {"resourceType": "Encounter", "priority": {"coding": [coding]}},
    }.get(path, {"resourceType": "Encounter", "hospitalization": {path: {"coding": [coding]}}})
    found: Any = deidentify(resource, context())
    while isinstance(found, dict) and "system" not in found and found:
        found = next(iter(found.values()))
        found = found[0] if isinstance(found, list) else found
    assert found == ({"system": left[0], "code": left[1]} if left else {})


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
    for translation in table.translations:
        system = table.systems[translation.means]
        assert all(system.accepts(code) for code in translation.codes.values()), translation
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


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("not hex", 0o600, "correct or remove it"),
        ("00ff", 0o600, "does not hold 32 bytes"),
        ("00" * 32, 0o640, "chmod 600"),
        ("00" * 32, 0o604, "chmod 600"),
    ],
)
def test_a_key_file_that_must_not_be_used_is_one_sentence(tmp_path: Path, text: str, mode: int, said: str) -> None:
    (tmp_path / "key").write_text(text)
    (tmp_path / "key").chmod(mode)
    with pytest.raises(UserError, match=said):
        LocalKeyring.from_file(tmp_path / "key")


def test_a_key_file_has_one_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAULT_ROLE", raising=False)
    assert keyring("north", tmp_path / "key", 1).secrets(["p"])[0].version == "v1"
    with pytest.raises(UserError, match="leave --key-version out"):
        keyring("north", tmp_path / "key", 2)
