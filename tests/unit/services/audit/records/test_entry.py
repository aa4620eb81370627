"""Entries: what a record can hold, and its canonical form."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from pydantic import ValidationError

from services.audit.errors import AuditError
from services.audit.records import (
    ConfigurationRef,
    ReleaseRef,
    parse_entry,
    timestamp,
)
from tests.support.audit.audit_records import ENCOUNTER, FULL, PATIENT, entry, request, scored

AT = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)


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
        lambda: scored(name="Margaret"),
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
