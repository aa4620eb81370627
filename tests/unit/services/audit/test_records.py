"""Entries: what a record can hold, its canonical form, and what is hashed."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.audit.errors import AuditError
from services.audit.records import (
    GENESIS,
    ConfigurationRef,
    KeptValues,
    Record,
    ReleaseRef,
    ScoredEncounter,
    feature_bytes,
    parse_entry,
    timestamp,
)
from tests.support.audit_records import ENCOUNTER, PATIENT, RELEASE, entry, request, scored

AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)
FULL = entry(
    caller_role="coordinator",
    recipient="urn:registry:7",
    encounter=ENCOUNTER,
    patient=PATIENT,
    encounters=(ENCOUNTER, "v2-abcdef"),
    release=RELEASE,
    freshness_hours=1.25,
    fallback_reason="model-slow",
    action="claim",
    detail="other-unit",
    scores=(scored(), scored(status="fallback", risk=None, lace=12)),
    configuration=(ConfigurationRef(component="settings", digest="ab" * 32, changed_by="deployer"),),
)


def test_an_entry_is_read_as_it_was_written() -> None:
    assert parse_entry(FULL.canonical()) == FULL
    assert parse_entry(entry(request_id=request(7)).canonical()) == entry(request_id=request(7))
    assert FULL.canonical() == rfc8785.dumps(json.loads(FULL.canonical())).decode()


def test_the_time_is_in_utc_with_microseconds() -> None:
    local = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert entry(occurred_at=local).occurred_at == AT
    assert json.loads(entry(occurred_at=local).canonical())["occurred_at"] == "2026-11-03T09:30:00.000000Z"
    assert timestamp(local + timedelta(microseconds=7)) == "2026-11-03T09:30:00.000007Z"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("encounter", "Encounter/456"),
        ("encounter", "v1-xyz"),
        ("encounter", f"{ENCOUNTER}\n"),
        ("patient", "Margaret Smith"),
        ("patient", "1234567"),
        ("encounters", ("MRN-7",)),
        ("caller", "Margaret Smith"),
        ("caller", ""),
        ("route", "GET /patients/7?name=x"),
        ("route", "GET /patients/Margaret Smith"),
        ("detail", "She lives alone."),
        ("action", "a" * 65),
        ("purpose", "treatment"),
        ("hospital", "North"),
        ("service", "another"),
        ("outcome", "unknown"),
        ("status", 99),
        ("status", 600),
        ("freshness_hours", -1.0),
        ("freshness_hours", float("nan")),
        ("occurred_at", datetime(2026, 11, 3)),
        ("request_id", "7"),
        ("scores", (scored(),) * 1001),
    ],
)
def test_a_value_that_no_record_holds_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        replace(entry(), **{field: value})


@pytest.mark.parametrize(
    "make",
    [
        lambda: scored(risk=1.1),
        lambda: scored(risk=float("nan")),
        lambda: scored(lace=20),
        lambda: scored(status="maybe"),
        lambda: ScoredEncounter(encounter=ENCOUNTER, status="scored", name="Margaret"),  # type: ignore[call-arg]
        lambda: ReleaseRef(model="m", version="v1", digest="abc"),
        lambda: ReleaseRef(model="m", version="v1", digest="ab" * 32, threshold=float("inf")),
        lambda: ConfigurationRef(component="settings", digest="ab"),
    ],
)
def test_a_part_that_no_record_holds_is_refused(make: Any) -> None:
    with pytest.raises(ValidationError):
        make()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        FULL.canonical()[:-1],
        FULL.canonical() + " ",
        FULL.canonical().replace(":", ": ", 1),
        FULL.canonical().replace("200", "2e2"),
        FULL.canonical().replace('"status":200', '"status":200,"status":200'),
    ],
)
def test_what_is_no_canonical_entry_is_refused(text: str) -> None:
    with pytest.raises(AuditError):
        parse_entry(text)


def test_the_subjects_are_all_that_an_entry_names() -> None:
    assert FULL.all_encounters() == {ENCOUNTER, "v2-abcdef"}
    assert FULL.subjects() == {ENCOUNTER, "v2-abcdef", PATIENT}
    assert entry().subjects() == frozenset()


def test_what_is_hashed_is_canonical_json_of_every_column() -> None:
    record = Record(7, AT, "v-login", bytes(range(32)), GENESIS, FULL.canonical())
    plain = {
        "entry": json.loads(FULL.canonical()),
        "login": "v-login",
        "previous_hash": bytes(range(32)).hex(),
        "recorded_at": "2026-11-03T09:30:00.000000Z",
        "sequence": 7,
        "version": 1,
    }
    assert record.hashed() == rfc8785.dumps(plain)
    assert record.computed_hash() == sha256(record.hashed()).digest()


@given(st.dictionaries(st.text(max_size=8), st.floats(allow_infinity=False) | st.none() | st.text(max_size=5)))
def test_feature_values_are_exact(values: dict[str, float | str | None]) -> None:
    read = json.loads(feature_bytes(values), parse_int=float)
    assert read.keys() == values.keys()
    for name, value in values.items():
        missing = isinstance(value, float) and value != value
        assert read[name] == (None if missing else value)


def test_an_infinite_feature_value_is_refused() -> None:
    with pytest.raises(AuditError, match="not finite"):
        feature_bytes({"age": float("inf")})


def test_a_digest_needs_the_salt() -> None:
    values = KeptValues(bytes(32), b"{}")
    assert values.digest() == sha256(bytes(32) + b"{}").hexdigest() != replace(values, salt=bytes(31) + b"1").digest()
